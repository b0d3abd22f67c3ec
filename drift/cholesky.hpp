// The Cholesky factor L of a covariance matrix L L', and lengths measured by it (Golub and Van Loan, "Matrix
// Computations", section 4.2).
//
// Thread-safe: pure functions. Matrices are square, row-major; only the lower half is read and written.
#pragma once

#include <cstddef>
#include <vector>

namespace driftd::drift {

// In place. A pivot below `least` > 0, of a direction without variance, is raised to it. O(size^3).
void cholesky(std::vector<double>& matrix, std::size_t size, double least);

// x' (L L')^-1 x, the square of the Mahalanobis length of x. O(size^2).
[[nodiscard]] double squared_length(const std::vector<double>& lower, std::vector<double> x);

}  // namespace driftd::drift
