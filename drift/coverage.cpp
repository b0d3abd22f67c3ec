#include "drift/coverage.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

constexpr double kOutside = 0.025;  // on each side of the interval

// Equal values share the mean of their places.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    for (auto i = first; i < last; ++i) ranks[order[i]] = static_cast<double>(first + last - 1) / 2;
  }
  return ranks;
}

struct GroupSum {
  double count = 0;
  double sum = 0;
};

}  // namespace

Coverage coverage_of(const Calibration& calibration, double alpha) {
  const auto allowed = conformal_ranks(alpha, calibration.ranked());
  if (allowed == 0) return {0, {0, 0}};
  const double expected = static_cast<double>(allowed) / (static_cast<double>(calibration.ranked()) + 1);
  const double a = expected * (calibration.effective + 1);
  const double b = (1 - expected) * (calibration.effective + 1);
  return {expected, {beta_quantile(kOutside, a, b), beta_quantile(1 - kOutside, a, b)}};
}

std::size_t images_needed(double alpha) {
  if (!(alpha > 0 && alpha < 1)) throw Error{Errc::invalid_argument, "alpha must lie between 0 and 1"};
  return static_cast<std::size_t>(std::ceil(1 / alpha - 1e-9)) - 1;
}

std::size_t images_within(double alpha, double margin) {
  if (!(alpha > 0 && alpha < 1 && margin > 0 && margin < 1)) {
    throw Error{Errc::invalid_argument, "alpha and the margin must lie between 0 and 1"};
  }
  const double z = normal_quantile(1 - kOutside) / margin;
  return static_cast<std::size_t>(std::ceil(z * z * alpha * (1 - alpha)));
}

std::size_t independent_images(const Calibration& calibration, double alpha) {
  return std::max(images_needed(alpha), static_cast<std::size_t>(calibration.effective));
}

double effective_size(std::span<const double> values, std::span<const std::uint32_t> groups) {
  if (values.size() != groups.size() || values.empty()) {
    throw Error{Errc::invalid_argument, "the effective size needs a group for each of some values"};
  }
  const auto ranks = ranks_of(values);
  std::unordered_map<std::uint32_t, GroupSum> sums;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    auto& group = sums[groups[i]];
    ++group.count;
    group.sum += ranks[i];
  }
  const auto n = static_cast<double>(values.size());
  const auto g = static_cast<double>(sums.size());
  if (sums.size() == values.size()) return n;
  const double mean = (n - 1) / 2;
  double between = 0;
  double squares = 0;  // of group sizes
  for (const auto& [name, group] : sums) {
    between += group.count * std::pow(group.sum / group.count - mean, 2);
    squares += group.count * group.count;
  }
  double total = 0;
  for (const auto rank : ranks) total += std::pow(rank - mean, 2);
  if (sums.size() < 2 || total <= 0) return 1;
  const double between_mean = between / (g - 1);
  const double within_mean = (total - between) / (n - g);
  const double size = (n - squares / n) / (g - 1);
  const double correlation =
      std::clamp((between_mean - within_mean) / (between_mean + (size - 1) * within_mean), 0.0, 1.0);
  return n / (1 + (squares / n - 1) * correlation);
}

}  // namespace driftd::drift
