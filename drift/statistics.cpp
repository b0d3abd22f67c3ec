#include "drift/statistics.hpp"

#include <math.h>  // lgamma_r: std::lgamma writes a global

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw Error{Errc::invalid_argument, std::string{"statistics: "} + what};
}

double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

double log_beta(double a, double b) {
  return log_gamma(a) + log_gamma(b) - log_gamma(a + b);
}

double log_choose(std::uint64_t n, std::uint64_t k) {
  const auto n_real = static_cast<double>(n);
  const auto k_real = static_cast<double>(k);
  return -std::log(n_real + 1) - log_beta(n_real - k_real + 1, k_real + 1);
}

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
  const double front = std::exp(a * std::log(x) + b * std::log1p(-x) - log_beta(a, b));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

}  // namespace

double normal_quantile(double p) {
  require(p > 0 && p < 1, "a normal quantile needs a probability between 0 and 1, both excluded");
  if (p > 0.5) return -normal_quantile(1 - p);
  // A rational start (Abramowitz and Stegun 26.2.23, error below 5e-4), then Halley steps, each tripling the digits.
  const double t = std::sqrt(-2 * std::log(p));
  double z = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
  for (int step = 0; step < 3; ++step) {
    const double error = 0.5 * std::erfc(-z / std::numbers::sqrt2) - p;
    const double newton = error * std::sqrt(2 * std::numbers::pi) * std::exp(z * z / 2);
    z -= newton / (1 + z * newton / 2);
  }
  return z;
}

Interval wilson(std::uint64_t successes, std::uint64_t trials, double confidence) {
  require(confidence > 0 && confidence < 1, "a confidence lies between 0 and 1, both excluded");
  return wilson_z(successes, trials, normal_quantile((1 + confidence) / 2));
}

Interval wilson_z(std::uint64_t successes, std::uint64_t trials, double z) {
  require(successes <= trials, "more successes than trials");
  require(std::isfinite(z) && z >= 0, "a normal deviate must be finite and at least 0");
  if (trials == 0) return {};
  const auto n = static_cast<double>(trials);
  const double rate = static_cast<double>(successes) / n;
  const double shrink = 1 + z * z / n;
  const double centre = (rate + z * z / (2 * n)) / shrink;
  const double half = z / shrink * std::sqrt(rate * (1 - rate) / n + z * z / (4 * n * n));
  // At the ends the interval touches 0 and 1 exactly; the subtraction leaves rounding there.
  return {successes == 0 ? 0 : std::max(0.0, centre - half), successes == trials ? 1 : std::min(1.0, centre + half)};
}

double beta_binomial_mass(std::uint64_t k, std::uint64_t n, double a, double b) {
  require(std::isfinite(a) && std::isfinite(b) && a > 0 && b > 0, "beta-binomial parameters must be positive");
  if (k > n) return 0;
  return std::exp(log_choose(n, k) + log_beta(static_cast<double>(k) + a, static_cast<double>(n - k) + b) -
                  log_beta(a, b));
}

double beta_binomial_upper_tail(std::uint64_t k, std::uint64_t n, double a, double b) {
  require(std::isfinite(a) && std::isfinite(b) && a > 0 && b > 0, "beta-binomial parameters must be positive");
  if (k == 0) return 1;
  double sum = 0;  // the smallest terms first, so that they are not lost beside the largest
  for (std::uint64_t i = n; i >= k && i <= n; --i) sum += beta_binomial_mass(i, n, a, b);
  return std::min(sum, 1.0);
}

double beta_quantile(double p, double a, double b) {
  require(p > 0 && p < 1 && a > 0 && b > 0,
          "a beta quantile needs a probability between 0 and 1 and positive parameters");
  double low = 0;
  double high = 1;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (beta_share(a, b, middle) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::size_t conformal_ranks(double alpha, std::size_t n) {
  require(alpha > 0 && alpha < 1, "alpha lies between 0 and 1, both excluded");
  const double values = static_cast<double>(n) + 1;
  auto ranks = static_cast<std::size_t>(alpha * values);
  while (ranks > 0 && static_cast<double>(ranks) / values > alpha) --ranks;
  while (static_cast<double>(ranks + 1) / values <= alpha) ++ranks;
  return ranks;
}

double quantile(std::span<const float> ascending, double q) {
  require(!ascending.empty() && q >= 0 && q <= 1, "a quantile needs values and 0 <= q <= 1");
  const double place = q * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, ascending.size() - 1);
  return std::lerp(static_cast<double>(ascending[below]), static_cast<double>(ascending[above]),
                   place - static_cast<double>(below));
}

double median(std::vector<double> values) {
  require(!values.empty(), "a median needs values");
  require(std::ranges::all_of(values, [](double x) { return std::isfinite(x); }), "a median needs finite values");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return std::midpoint(*std::max_element(values.begin(), middle), *middle);
}

double median_absolute_deviation(std::vector<double> values, double centre) {
  for (double& x : values) x = std::abs(x - centre);
  return median(std::move(values));
}

}  // namespace driftd::drift
