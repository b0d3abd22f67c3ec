// Agreement with Pillow is checked by tests/property/pillow_parity_test.py; these cases need no oracle.
#include "embed/resize.hpp"

#include <algorithm>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"

using namespace driftd;
using namespace driftd::embed;

namespace {

std::vector<std::uint8_t> cut(const Image& image, const Window& window) {
  std::vector<std::uint8_t> pixels;
  for (int y = window.top; y < window.top + window.height; ++y) {
    const auto row = image.rgb.begin() + 3L * (static_cast<long>(y) * image.width + window.left);
    pixels.insert(pixels.end(), row, row + 3L * window.width);
  }
  return pixels;
}

}  // namespace

TEST_CASE("resizing to the same size changes nothing") {
  const Image image = test::picture(31, 17);
  CHECK(resize(image, 31, 17, Filter::bilinear).rgb == image.rgb);
  CHECK(resize(image, 31, 17, Filter::bicubic).rgb == image.rgb);
}

TEST_CASE("a uniform image stays uniform at any size") {
  const auto filter = GENERATE(Filter::bilinear, Filter::bicubic);
  const auto [width, height] = GENERATE(table<int, int>({{1, 1}, {7, 5}, {224, 3}, {3, 224}, {100, 100}}));
  const Image image{13, 40, std::vector<std::uint8_t>(std::size_t{3} * 13 * 40, 201)};
  const Image resized = resize(image, width, height, filter);
  CHECK(resized.width == width);
  CHECK(resized.height == height);
  CHECK(resized.rgb == std::vector<std::uint8_t>(std::size_t{3} * width * height, 201));
}

TEST_CASE("halving averages with a triangle: antialiased, not picked") {
  Image stripes{8, 1, {}};
  for (int x = 0; x < 8; ++x) stripes.rgb.insert(stripes.rgb.end(), 3, x % 2 == 0 ? 0 : 255);
  // Weights 1 3 3 1 of eighths: 127.5 inside; at the border the triangle loses a corner and 3 3 1 remain.
  const Image half = resize(stripes, 4, 1, Filter::bilinear);
  CHECK(half.rgb[0] == 109);
  CHECK(half.rgb[3] >= 127);
  CHECK(half.rgb[3] <= 128);
}

TEST_CASE("a window holds the same pixels as the whole result") {
  const auto filter = GENERATE(Filter::bilinear, Filter::bicubic);
  std::mt19937 random{7};
  for (int i = 0; i < 40; ++i) {
    const auto side = [&](unsigned most) { return static_cast<int>(1 + random() % most); };
    const Image image = test::picture(side(60), side(60), static_cast<unsigned>(i));
    const int width = side(70);
    const int height = side(70);
    Window window{.width = side(static_cast<unsigned>(width)), .height = side(static_cast<unsigned>(height))};
    window.left = side(static_cast<unsigned>(width - window.width + 1)) - 1;
    window.top = side(static_cast<unsigned>(height - window.height + 1)) - 1;
    CAPTURE(i, image.width, image.height, width, height, window.left, window.top, window.width, window.height);
    REQUIRE(resize(image, width, height, filter, window).rgb == cut(resize(image, width, height, filter), window));
  }
}

TEST_CASE("an impossible size or window is an invalid argument") {
  const Image image = test::picture(4, 4);
  CHECK(test::code_of([&] { return resize(image, 0, 4, Filter::bilinear); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return resize(image, 4, -1, Filter::bilinear); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] {
          return resize(image, 8, 8, Filter::bilinear, {.left = 5, .top = 0, .width = 4, .height = 4});
        }) == Errc::invalid_argument);
  CHECK(test::code_of([&] {
          return resize(image, 8, 8, Filter::bilinear, {.left = -1, .top = 0, .width = 4, .height = 4});
        }) == Errc::invalid_argument);
}
