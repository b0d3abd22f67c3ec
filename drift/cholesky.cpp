#include "drift/cholesky.hpp"

#include <algorithm>
#include <cmath>

namespace driftd::drift {

void cholesky(std::vector<double>& matrix, std::size_t size, double least) {
  for (std::size_t r = 0; r < size; ++r) {
    for (std::size_t s = 0; s <= r; ++s) {
      double rest = matrix[r * size + s];
      for (std::size_t t = 0; t < s; ++t) rest -= matrix[r * size + t] * matrix[s * size + t];
      matrix[r * size + s] = r == s ? std::sqrt(std::max(rest, least)) : rest / matrix[s * size + s];
    }
  }
}

double squared_length(const std::vector<double>& lower, std::vector<double> x) {
  const auto size = x.size();
  double sum = 0;
  for (std::size_t r = 0; r < size; ++r) {
    for (std::size_t s = 0; s < r; ++s) x[r] -= lower[r * size + s] * x[s];
    x[r] /= lower[r * size + r];
    sum += x[r] * x[r];
  }
  return sum;
}

}  // namespace driftd::drift
