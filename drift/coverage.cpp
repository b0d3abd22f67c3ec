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

// The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method; quick for x < (a + 1) / (a +
// b + 2).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr int kSteps = 10'000;
  const auto nonzero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / nonzero(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m < kSteps; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonzero(1 + even * d);
    c = nonzero(1 + even / c);
    fraction *= c * d;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / nonzero(1 + odd * d);
    c = nonzero(1 + odd / c);
    fraction *= c * d;
    if (std::abs(c * d - 1) < 1e-14) break;
  }
  return fraction;
}

// P(X <= x) for X ~ Beta(a, b).
double beta_share(double a, double b, double x) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                   : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

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

double beta_quantile(double p, double a, double b) {
  if (!(p > 0 && p < 1 && a > 0 && b > 0)) {
    throw Error{Errc::invalid_argument, "a beta quantile needs a probability between 0 and 1 and positive parameters"};
  }
  double low = 0;
  double high = 1;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (beta_share(a, b, middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

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
  const double correlation = std::clamp((between_mean - within_mean) / (between_mean + (size - 1) * within_mean), 0.0, 1.0);
  return n / (1 + (squares / n - 1) * correlation);
}

}  // namespace driftd::drift
