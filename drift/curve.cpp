#include "drift/curve.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace driftd::drift {
namespace {

constexpr std::uint64_t kNewest = 24;  // images of which each has its point
constexpr int kDoublings = 14;
constexpr std::uint64_t kEvery = 8;  // images between two looks for points that are over

bool over(const CurvePoint& point, std::uint64_t newest) {
  const auto lives = kNewest << std::min(std::countr_zero(point.at.image), kDoublings);
  return newest - point.at.image >= lives;
}

}  // namespace

void Curve::add(Moment at, double value, double limit) {
  if (!std::isfinite(value)) return;
  if (!points_.empty() && points_.back().at.image > at.image) points_.clear();  // the stream began again
  if (!points_.empty() && points_.back().at.image == at.image) points_.pop_back();
  points_.push_back({at, static_cast<float>(value), static_cast<float>(limit)});
  if (at.image % kEvery == 0 || points_.size() > kMost) {
    std::erase_if(points_, [&](const auto& point) { return over(point, at.image); });
  }
}

std::vector<CurvePoint> Curve::since(std::uint64_t first) const {
  const auto after = std::ranges::upper_bound(points_, first, {}, [](const auto& point) { return point.at.image; });
  return {after == points_.begin() ? after : after - 1, points_.end()};
}

std::uint64_t first_shown(Moment started, Moment fired, std::uint64_t fewest) {
  const auto lasted = fired.image > started.image ? fired.image - started.image : 0;
  const auto before = std::max(lasted, fewest);
  return started.image > before ? started.image - before : 1;
}

}  // namespace driftd::drift
