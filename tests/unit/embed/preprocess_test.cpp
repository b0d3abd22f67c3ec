#include "embed/preprocess.hpp"

#include <ctime>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"

using namespace driftd;
using namespace driftd::embed;

TEST_CASE("the centre is cut out after the shorter side was resized") {
  Image image{6, 2, {}};
  for (const int value : {0, 10, 20, 30, 40, 50, 0, 10, 20, 30, 40, 50})
    image.rgb.insert(image.rgb.end(), 3, static_cast<std::uint8_t>(value));
  const Preprocess spec{.mode = Preprocess::Mode::short_side, .short_side = 2, .height = 2, .width = 2};
  const auto fitted = fit(image, spec);
  CHECK(fitted.rgb[0] == 20);
  CHECK(fitted.rgb[3] == 30);
}

TEST_CASE("a sliver of an image costs no more than its pixels") {
  // Its resized whole would have 4096 x 256 x 64 x 3 bytes; only the centre may be computed.
  const Image sliver{16'384, 1, std::vector<std::uint8_t>(std::size_t{3} * 16'384, 9)};
  const Preprocess spec{.mode = Preprocess::Mode::short_side};
  const std::clock_t start = std::clock();
  const auto fitted = fit(sliver, spec);
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 0.5);
  CHECK(fitted.rgb == std::vector<std::uint8_t>(spec.bytes(), 9));
}

TEST_CASE("a crop larger than the resized image is an invalid argument") {
  const Preprocess spec{.mode = Preprocess::Mode::short_side, .short_side = 100};
  CHECK(test::code_of([&] { return fit(test::picture(50, 50), spec); }) == Errc::invalid_argument);
}

TEST_CASE("a decoder may deliver 1.4 times the side that is resized to") {
  CHECK(Preprocess{}.min_decode_side() == 314);
  CHECK(Preprocess{.mode = Preprocess::Mode::short_side}.min_decode_side() == 359);
}
