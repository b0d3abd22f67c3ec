// The statistics that decisions rest on: Wilson intervals, exact upper tails, quantiles, order statistics.
//
// Thread-safe: pure functions of plain numbers. Each throws Error invalid_argument when a number is outside its stated
// range (NaN is outside every range).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace driftd::drift {

struct Interval {
  double lower = 0;
  double upper = 1;
};

// The z with P(Z <= z) = p for a standard normal Z; 0 < p < 1. Accurate to 1e-12.
[[nodiscard]] double normal_quantile(double p);

// Wilson's score interval of a proportion (Wilson 1927), two-sided, at a confidence in (0, 1). No trials give {0, 1}.
// Unlike the normal approximation it stays inside [0, 1] and holds its confidence for small counts. O(1) after the
// quantile.
[[nodiscard]] Interval wilson(std::uint64_t successes, std::uint64_t trials, double confidence = 0.95);

// The same for a caller that evaluates many intervals at one confidence: z is normal_quantile((1 + confidence) / 2).
[[nodiscard]] Interval wilson_z(std::uint64_t successes, std::uint64_t trials, double z);

// P(X = k) and P(X >= k) for X ~ BetaBinomial(n, a, b), a, b > 0: a binomial whose rate is itself Beta(a, b). With m
// calibration scores and c = floor(alpha (m + 1)), the number of p-values <= alpha among n fresh exchangeable images is
// BetaBinomial(n, c, m + 1 - c) (Vovk 2012, "Conditional validity of inductive conformal predictors"). Exact sums of
// log-gamma terms, relative error below 1e-7 for n up to 1e6. O(n - k).
[[nodiscard]] double beta_binomial_mass(std::uint64_t k, std::uint64_t n, double a, double b);
[[nodiscard]] double beta_binomial_upper_tail(std::uint64_t k, std::uint64_t n, double a, double b);

// The x with P(X <= x) = p for X ~ Beta(a, b); a, b > 0, 0 < p < 1. Accurate to 1e-9. O(60) incomplete beta functions.
[[nodiscard]] double beta_quantile(double p, double a, double b);

// How many of the n + 1 values that a conformal p-value can take, 1/(n+1) to 1, are <= alpha; 0 < alpha < 1. This is
// floor(alpha (n + 1)), computed with the comparison that decides about an image, so that rounding cannot part them.
[[nodiscard]] std::size_t conformal_ranks(double alpha, std::size_t n);

// The q-quantile, 0 <= q <= 1, of ascending values by linear interpolation (Hyndman and Fan's type 7). Not for empty
// spans.
[[nodiscard]] double quantile(std::span<const float> ascending, double q);

// Median and median absolute deviation (unscaled), by selection: O(n). Not for empty vectors; values must be finite.
[[nodiscard]] double median(std::vector<double> values);
[[nodiscard]] double median_absolute_deviation(std::vector<double> values, double centre);

}  // namespace driftd::drift
