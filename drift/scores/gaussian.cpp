#include "drift/scores/gaussian.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "drift/cholesky.hpp"
#include "drift/subspace.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kIterations = 3;
constexpr double kLeastShare = 1e-9;  // of the mean variance, below which a direction counts as having none

// r x r.
std::vector<double> covariance(const Matrix& along) {
  std::vector<double> sums(along.cols * along.cols);
  for (std::size_t i = 0; i < along.rows; ++i) {
    for (std::size_t r = 0; r < along.cols; ++r) {
      for (std::size_t s = 0; s <= r; ++s) sums[r * along.cols + s] += double{along.row(i)[r]} * along.row(i)[s];
    }
  }
  for (auto& x : sums) x /= static_cast<double>(along.rows);
  return sums;
}

}  // namespace

Gaussian fit_gaussian(const Matrix& vectors) {
  Gaussian fit;
  fit.mean = mean_of(vectors);
  const auto points = centred(vectors, fit.mean);
  const auto count = std::clamp<std::size_t>(vectors.rows / 4, 1, std::min(kDirections, vectors.cols));
  std::mt19937_64 random{1};
  const auto directions = principal_directions(points, count, kIterations, random);
  fit.directions = transposed(directions);
  fit.lower = covariance(along(points, directions));
  const auto rows = static_cast<double>(vectors.rows);
  const double total = std::transform_reduce(points.data.begin(), points.data.end(), 0.0, std::plus<>{},
                                             [](float x) { return double{x} * x; }) /
                       rows;
  const double least = std::max(total * kLeastShare / static_cast<double>(vectors.cols), 1e-30);
  double explained = 0;
  for (std::size_t r = 0; r < count; ++r) explained += fit.lower[r * count + r];
  const auto others = static_cast<double>(std::max<std::size_t>(1, vectors.cols - count));
  fit.rest = std::max((total - explained) / others, least);
  cholesky(fit.lower, count, least);
  return fit;
}

}  // namespace driftd::drift
