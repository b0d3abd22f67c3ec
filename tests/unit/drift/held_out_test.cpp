#include "drift/held_out.hpp"

#include <limits>

#include "drift/calibration.hpp"
#include "drift/scorer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/synthetic.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

HeldOut some_images(std::size_t n, std::vector<std::uint32_t> groups = {}) {
  std::mt19937 random{5};
  HeldOut images{Matrix{n, 8}, std::move(groups)};
  std::normal_distribution<float> normal;
  for (auto& x : images.vectors.data) x = normal(random);
  return images;
}

}  // namespace

TEST_CASE("held-out images survive their bytes, and every damage to these is noticed") {
  const auto images = some_images(3, {4, 4, 7});
  const auto bytes = encode(images);
  const auto after = decode_held_out(bytes);
  CHECK(after.vectors.rows == 3);
  CHECK(after.vectors.data == images.vectors.data);
  CHECK(after.groups == images.groups);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{0x10};
    REQUIRE(test::code_of([&] { return decode_held_out(damaged); }).has_value());
    REQUIRE(test::code_of([&] { return decode_held_out(std::span{bytes}.first(at)); }) == Errc::corrupt);
  }
}

TEST_CASE("held-out images of no use are not decoded") {
  auto images = some_images(2, {1});
  CHECK(test::code_of([&] { return decode_held_out(encode(images)); }) == Errc::corrupt);
  images = some_images(2);
  images.vectors.data[3] = std::numeric_limits<float>::infinity();
  CHECK(test::code_of([&] { return decode_held_out(encode(images)); }) == Errc::corrupt);
  CHECK(test::code_of([&] { return decode_held_out(encode(HeldOut{})); }) == Errc::corrupt);
}

TEST_CASE("ranks among held-out images replace those of the reference, and keep its scales") {
  std::mt19937 random{9};
  const auto points = test::mixture(100, 1, random);
  CalibrationOptions options;
  options.vectors = test::vectors_of(points);
  auto calibration = calibrate(points.size(), test::source_of(points), options);
  const auto before = calibration;
  const auto images = some_images(60);
  const auto search = [&](std::span<const std::int64_t> numbers, std::size_t k) {
    Neighbours all{k, {}, {}};
    for (const auto number : numbers) {
      const auto row = images.vectors.row(static_cast<std::size_t>(number));
      const auto one = test::nearest(points, {row.begin(), row.end()}, k);
      all.distances.insert(all.distances.end(), one.distances.begin(), one.distances.end());
      all.rows.insert(all.rows.end(), one.rows.begin(), one.rows.end());
    }
    return all;
  };
  rank_held_out(calibration, images, search, options);
  CHECK(calibration.method == Method::held_out);
  CHECK(calibration.ranked() == 60);
  CHECK(calibration.own3 == before.own3);
  CHECK(calibration.terms[0].median == before.terms[0].median);
  for (const auto rule : kRules) CHECK(leave_one_out(calibration, rule).size() == 60);
  CHECK(decode_calibration(encode(calibration)).ranks == calibration.ranks);

  auto few = some_images(49);
  CHECK(test::message_of([&] {
          rank_held_out(calibration, few, search, options);
          return 0;
        }).find("needs 50") != std::string::npos);
}
