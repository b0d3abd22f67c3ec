#include "embed/preprocess.hpp"

#include <algorithm>
#include <ctime>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"

using namespace driftd;
using namespace driftd::embed;

namespace {

std::vector<float> tensor_of(const Image& image, const Preprocess& spec) {
  const Image fitted = fit(image, spec);
  return normalise({&fitted, 1}, spec).data;
}

}  // namespace

TEST_CASE("pixels become planes of normalised values") {
  const Image image{2, 1, {0, 51, 255, 255, 102, 0}};
  const Preprocess spec{.height = 1, .width = 2, .mean = {0, 0.5F, 1}, .std = {1, 0.5F, 2}};
  const std::vector<float> expected{0, 1, -0.6F, -0.2F, 0, -0.5F};
  const auto tensor = tensor_of(image, spec);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(tensor[i] == Approx(expected[i]).margin(1e-6));
}

TEST_CASE("the centre is cut out after the shorter side was resized") {
  Image image{6, 2, {}};
  for (const int value : {0, 10, 20, 30, 40, 50, 0, 10, 20, 30, 40, 50})
    image.rgb.insert(image.rgb.end(), 3, static_cast<std::uint8_t>(value));
  const Preprocess spec{.mode = Preprocess::Mode::short_side,
                        .short_side = 2,
                        .height = 2,
                        .width = 2,
                        .mean = {0, 0, 0},
                        .std = {1, 1, 1}};
  const auto tensor = tensor_of(image, spec);
  CHECK(tensor[0] == Approx(20 / 255.0));
  CHECK(tensor[1] == Approx(30 / 255.0));
}

TEST_CASE("a sliver of an image costs no more than its pixels") {
  // Its resized whole would have 4096 x 256 x 64 x 3 bytes; only the centre may be computed.
  const Image sliver{16'384, 1, std::vector<std::uint8_t>(std::size_t{3} * 16'384, 9)};
  const Preprocess spec{.mode = Preprocess::Mode::short_side};
  const std::clock_t start = std::clock();
  const auto tensor = tensor_of(sliver, spec);
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < 0.5);
  CHECK(tensor.front() == Approx((9 / 255.0 - 0.485) / 0.229));
}

TEST_CASE("several images become a row each, and none of another size") {
  const Preprocess spec{.height = 2, .width = 3};
  const std::vector<Image> images{test::picture(3, 2), Image{3, 2, std::vector<std::uint8_t>(18, 7)}};
  const Matrix both = normalise(images, spec);
  REQUIRE(both.rows == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto row = both.row(i);
    CHECK(std::vector<float>{row.begin(), row.end()} == normalise(std::span{images}.subspan(i, 1), spec).data);
  }
  CHECK(test::code_of([&] { return normalise(std::vector<Image>{images[0], test::picture(2, 3)}, spec); }) ==
        Errc::invalid_argument);
}

TEST_CASE("a crop larger than the resized image is an invalid argument") {
  const Preprocess spec{.mode = Preprocess::Mode::short_side, .short_side = 100};
  CHECK(test::code_of([&] { return tensor_of(test::picture(50, 50), spec); }) == Errc::invalid_argument);
}

TEST_CASE("a decoder may deliver 1.4 times the side that is resized to") {
  CHECK(Preprocess{}.min_decode_side() == 314);
  CHECK(Preprocess{.mode = Preprocess::Mode::short_side}.min_decode_side() == 359);
}
