#include "drift/scores/gaussian.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "drift/cholesky.hpp"

namespace driftd::drift {
namespace {

constexpr int kIterations = 3;
constexpr double kLeastShare = 1e-9;  // of the mean variance, below which a direction counts as having none

std::vector<float> mean_of(const Matrix& vectors) {
  std::vector<double> sums(vectors.cols);
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    for (std::size_t j = 0; j < vectors.cols; ++j) sums[j] += vectors.row(i)[j];
  }
  std::vector<float> mean(vectors.cols);
  for (std::size_t j = 0; j < mean.size(); ++j) mean[j] = static_cast<float>(sums[j] / static_cast<double>(vectors.rows));
  return mean;
}

Matrix centred(Matrix vectors, std::span<const float> mean) {
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    for (std::size_t j = 0; j < vectors.cols; ++j) vectors.row(i)[j] -= mean[j];
  }
  return vectors;
}

double dot(std::span<const float> a, std::span<const float> b) {
  return std::transform_reduce(a.begin(), a.end(), b.begin(), 0.0, std::plus<>{},
                               [](float x, float y) { return double{x} * y; });
}

Matrix transposed(const Matrix& m) {
  Matrix result{m.cols, m.rows};
  for (std::size_t i = 0; i < m.rows; ++i) {
    for (std::size_t j = 0; j < m.cols; ++j) result.row(j)[i] = m.row(i)[j];
  }
  return result;
}

// rows x r. The inner loop runs over directions, not dimensions: sums of its own each, which compilers vectorise.
Matrix coordinates(const Matrix& points, const Matrix& directions) {
  const auto columns = transposed(directions);
  Matrix result{points.rows, directions.rows};
  for (std::size_t i = 0; i < points.rows; ++i) {
    auto* out = result.row(i).data();
    const auto point = points.row(i);
    for (std::size_t j = 0; j < point.size(); ++j) {
      const auto* column = columns.row(j).data();
      for (std::size_t r = 0; r < directions.rows; ++r) out[r] += point[j] * column[r];
    }
  }
  return result;
}

// Gram and Schmidt, twice for accuracy; a direction that the others span already becomes zero.
void make_orthonormal(Matrix& directions) {
  for (std::size_t i = 0; i < directions.rows; ++i) {
    auto row = directions.row(i);
    const double before = dot(row, row);
    for (std::size_t earlier = 0; earlier < 2 * i; ++earlier) {
      const auto other = std::as_const(directions).row(earlier % i);
      const auto share = static_cast<float>(dot(row, other));
      for (std::size_t j = 0; j < row.size(); ++j) row[j] -= share * other[j];
    }
    const double square = dot(row, row);
    const auto scale = static_cast<float>(square > 1e-10 * before ? 1 / std::sqrt(square) : 0);
    for (auto& x : row) x *= scale;
  }
}

Matrix principal_directions(const Matrix& points, std::size_t count) {
  Matrix directions{count, points.cols};
  std::mt19937_64 random{1};
  std::normal_distribution<float> normal;
  for (auto& x : directions.data) x = normal(random);
  for (int step = 0; step < kIterations; ++step) {
    const auto along = coordinates(points, directions);
    std::ranges::fill(directions.data, 0.0F);
    for (std::size_t i = 0; i < points.rows; ++i) {
      const auto* point = points.row(i).data();
      for (std::size_t r = 0; r < count; ++r) {
        const float weight = along.row(i)[r];
        auto* direction = directions.row(r).data();
        for (std::size_t j = 0; j < points.cols; ++j) direction[j] += weight * point[j];
      }
    }
    make_orthonormal(directions);
  }
  return directions;
}

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
  fit.directions = principal_directions(points, count);
  fit.lower = covariance(coordinates(points, fit.directions));
  const auto rows = static_cast<double>(vectors.rows);
  const double total = dot(points.data, points.data) / rows;
  const double least = std::max(total * kLeastShare / static_cast<double>(vectors.cols), 1e-30);
  double explained = 0;
  for (std::size_t r = 0; r < count; ++r) explained += fit.lower[r * count + r];
  const auto others = static_cast<double>(std::max<std::size_t>(1, vectors.cols - count));
  fit.rest = std::max((total - explained) / others, least);
  cholesky(fit.lower, count, least);
  return fit;
}

}  // namespace driftd::drift
