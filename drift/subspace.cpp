#include "drift/subspace.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>
#include <utility>

namespace driftd::drift {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  return std::transform_reduce(a.begin(), a.end(), b.begin(), 0.0, std::plus<>{},
                               [](float x, float y) { return double{x} * y; });
}

// Gram-Schmidt, each column against those before, twice for rounding. A column that depends on those before becomes 0.
Matrix orthonormal(const Matrix& columns) {
  auto rows = transposed(columns);  // whose values stand together
  for (std::size_t j = 0; j < rows.rows; ++j) {
    auto row = rows.row(j);
    const double before = dot(row, row);
    for (std::size_t earlier = 0; earlier < 2 * j; ++earlier) {
      const auto other = std::as_const(rows).row(earlier % j);
      const auto share = static_cast<float>(dot(row, other));
      std::ranges::transform(row, other, row.begin(), [share](float x, float y) { return x - share * y; });
    }
    const double left = dot(row, row);
    const auto scale = left > 1e-10 * before ? static_cast<float>(1 / std::sqrt(left)) : 0.0F;
    for (auto& x : row) x *= scale;
  }
  return transposed(rows);
}

// The columns are summed side by side, a sum of its own each, which compilers vectorise.
void add_scaled(float* to, const float* row, float scale, std::size_t count) {
  for (std::size_t j = 0; j < count; ++j) to[j] += scale * row[j];
}

}  // namespace

std::vector<float> mean_of(const Matrix& vectors) {
  std::vector<double> sums(vectors.cols);
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    std::ranges::transform(vectors.row(i), sums, sums.begin(), std::plus<double>{});
  }
  std::vector<float> mean(sums.size());
  std::ranges::transform(sums, mean.begin(),
                         [&](double sum) { return static_cast<float>(sum / static_cast<double>(vectors.rows)); });
  return mean;
}

Matrix centred(Matrix vectors, std::span<const float> mean) {
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    std::ranges::transform(vectors.row(i), mean, vectors.row(i).begin(), std::minus<float>{});
  }
  return vectors;
}

Matrix along(const Matrix& vectors, const Matrix& directions) {
  Matrix places{vectors.rows, directions.cols};
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    const auto vector = vectors.row(i);
    auto* place = places.row(i).data();
    for (std::size_t d = 0; d < vector.size(); ++d) {
      add_scaled(place, directions.row(d).data(), vector[d], directions.cols);
    }
  }
  return places;
}

Matrix transposed(const Matrix& matrix) {
  Matrix result{matrix.cols, matrix.rows};
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    for (std::size_t j = 0; j < matrix.cols; ++j) result.row(j)[i] = matrix.row(i)[j];
  }
  return result;
}

Matrix principal_directions(const Matrix& vectors, std::size_t count, std::size_t iterations, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  Matrix directions{vectors.cols, count};
  for (auto& x : directions.data) x = normal(random);
  directions = orthonormal(directions);
  for (std::size_t step = 0; step < iterations; ++step) {
    const auto places = along(vectors, directions);
    std::ranges::fill(directions.data, 0.0F);
    for (std::size_t i = 0; i < vectors.rows; ++i) {
      const auto vector = vectors.row(i);
      for (std::size_t d = 0; d < vector.size(); ++d) {
        add_scaled(directions.row(d).data(), places.row(i).data(), vector[d], count);
      }
    }
    directions = orthonormal(directions);
  }
  return directions;
}

}  // namespace driftd::drift
