#include "drift/profile.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

const Profile kProfile{{"brightness", {0.1F, 0.2F, 0.2F, 0.7F}}, {"width", {28, 28, 28, 28}}, {"never measured", {}}};

}  // namespace

TEST_CASE("a profile survives its bytes") {
  const auto after = decode_profile(encode(kProfile));
  REQUIRE(after.size() == 3);
  CHECK(after[0].name == "brightness");
  CHECK(after[0].ascending == kProfile[0].ascending);
  CHECK(after[2].ascending.empty());
  CHECK(decode_profile(encode(Profile{})).empty());
}

TEST_CASE("each property that was measured becomes a channel, watched at both ends") {
  const auto channels = channels_of(kProfile);
  REQUIRE(channels.size() == 2);
  CHECK(channels[1].name == "width");
  CHECK(channels[1].group == "properties");
  CHECK(channels[1].both_ends);
}

TEST_CASE("every cut and every flipped byte of a stored profile is noticed, and a newer one asks for a newer program") {
  const auto bytes = encode(kProfile);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    REQUIRE(test::code_of([&] { return decode_profile(std::span{bytes}.first(size)); }) == Errc::corrupt);
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{0x10};
    CAPTURE(at);
    REQUIRE(test::code_of([&] { return decode_profile(damaged); }).has_value());
  }
  auto newer = bytes;
  newer[4] = std::byte{2};
  CHECK(test::code_of([&] { return decode_profile(newer); }) == Errc::conflict);
}
