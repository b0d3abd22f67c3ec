#include "embed/properties.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/images.hpp"

using namespace driftd;
using namespace driftd::embed;

namespace {

Properties properties_of(Image image) {
  const int width = image.width;
  const int height = image.height;
  return measure_properties({.image = std::move(image), .width = width, .height = height});
}

Image checkerboard(int side, int square) {
  Image image{side, side, {}};
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) image.rgb.insert(image.rgb.end(), 3, (x / square + y / square) % 2 == 0 ? 0 : 255);
  }
  return image;
}

}  // namespace

TEST_CASE("a uniform grey has its brightness and nothing else") {
  const Properties p = properties_of({20, 10, std::vector<std::uint8_t>(600, 51)});
  CHECK(p.brightness == Approx(0.2).margin(0.005));
  CHECK(p.contrast == Approx(0).margin(1e-6));
  CHECK(p.sharpness == Approx(0).margin(1e-6));
  CHECK(p.saturation == 0);
  CHECK(p.width == 20);
  CHECK(p.height == 10);
}

TEST_CASE("properties by name are in the order of their names") {
  const auto values = values_of(
      {.brightness = 1, .contrast = 2, .sharpness = 3, .saturation = 4, .width = 6, .height = 3, .jpeg_quality = 75});
  CHECK(values == std::array<float, 8>{1, 2, 3, 4, 6, 3, 2, 75});
  CHECK(kPropertyNames[6] == "aspect");
}

TEST_CASE("a checkerboard has full contrast, and finer squares are sharper") {
  const Properties coarse = properties_of(checkerboard(64, 16));
  const Properties fine = properties_of(checkerboard(64, 2));
  CHECK(coarse.contrast == Approx(0.5).margin(0.01));
  CHECK(fine.contrast == Approx(0.5).margin(0.01));
  CHECK(fine.sharpness > 1.5 * coarse.sharpness);
}

TEST_CASE("a pure colour is saturated and its luma follows BT.601") {
  Image green{4, 4, {}};
  for (int i = 0; i < 16; ++i) green.rgb.insert(green.rgb.end(), {0, 255, 0});
  const Properties p = properties_of(green);
  CHECK(p.saturation == Approx(1));
  CHECK(p.brightness == Approx(0.587).margin(0.005));
}

TEST_CASE("the size of the picture hardly changes its properties") {
  const Properties small = properties_of(checkerboard(256, 32));
  const Properties large = properties_of(checkerboard(2048, 256));
  CHECK(large.contrast == Approx(small.contrast).margin(0.01));
  CHECK(large.sharpness == Approx(small.sharpness).epsilon(0.1));
}

TEST_CASE("one pixel and one row can be measured") {
  CHECK(properties_of({1, 1, {255, 255, 255}}).brightness == Approx(1));
  CHECK(properties_of(test::picture(5000, 1)).brightness == Approx(0.5).margin(0.1));
}
