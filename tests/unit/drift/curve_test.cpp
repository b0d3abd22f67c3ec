#include "drift/curve.hpp"

#include <algorithm>
#include <limits>

#include "tests/support/catch.hpp"

using namespace driftd::drift;

namespace {

Curve curve_of(std::uint64_t images, Curve curve = {}, std::uint64_t from = 1) {
  for (auto image = from; image <= images; ++image) {
    curve.add({static_cast<std::int64_t>(image), image}, static_cast<double>(image), 9);
  }
  return curve;
}

std::vector<std::uint64_t> images_of(const std::vector<CurvePoint>& points) {
  std::vector<std::uint64_t> images;
  for (const auto& point : points) images.push_back(point.at.image);
  return images;
}

}  // namespace

TEST_CASE("a curve has every new image, and fewer the further back") {
  const auto images = images_of(curve_of(10'000).points());
  const auto between = [&](std::uint64_t first, std::uint64_t last) {
    return std::ranges::count_if(images, [&](auto image) { return image >= first && image <= last; });
  };
  CHECK(between(9'977, 10'000) == 24);
  CHECK(between(9'953, 9'976) == 12);
  CHECK(between(9'905, 9'952) == 12);
  CHECK(between(1, 5'000) >= 6);
  CHECK(std::ranges::is_sorted(images));
}

TEST_CASE("a curve never has more than its most points, and reaches far back") {
  Curve curve;
  std::size_t most = 0;
  for (std::uint64_t image = 1; image <= 1'000'000; ++image) {
    curve.add({0, image}, 1, 2);
    most = std::max(most, curve.points().size());
  }
  CHECK(most <= Curve::kMost);
  CHECK(curve.points().front().at.image <= 1'000'000 - 370'000);
}

TEST_CASE("a curve that was saved goes on as if it had never stopped") {
  Curve resumed;
  resumed.resume(curve_of(777).points());
  CHECK(images_of(curve_of(5'000, resumed, 778).points()) == images_of(curve_of(5'000).points()));
}

TEST_CASE("a curve takes one value an image, none that is not finite, and starts again with the stream") {
  Curve curve = curve_of(5);
  curve.add({9, 5}, 50, 9);
  curve.add({9, 6}, std::numeric_limits<double>::infinity(), 9);
  CHECK(images_of(curve.points()) == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
  CHECK(curve.points().back().value == 50);
  for (int label = 0; label < 1000; ++label) curve.add({9, 5}, label, 9);
  CHECK(curve.points().size() == 5);
  curve.add({10, 1}, 3, 9);
  CHECK(images_of(curve.points()) == std::vector<std::uint64_t>{1});
}

TEST_CASE("an alert shows as much before the drift as after it, but at least a window") {
  CHECK(first_shown({0, 1'000}, {0, 1'700}, 500) == 300);
  CHECK(first_shown({0, 1'000}, {0, 1'010}, 500) == 500);
  CHECK(first_shown({0, 20}, {0, 900}, 500) == 1);
  CHECK(images_of(curve_of(100).since(93)).front() == 93);
  CHECK(images_of(curve_of(100).since(1)).front() <= 8);
}
