// The directions in which vectors vary most, by orthogonal (subspace) iteration from random ones (Golub and Van Loan,
// "Matrix Computations", section 8.2.4; from random directions: Halko, Martinsson and Tropp, SIAM Review 53, 2011).
//
// Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <vector>

#include "core/matrix.hpp"

namespace driftd::drift {

[[nodiscard]] std::vector<float> mean_of(const Matrix& vectors);
[[nodiscard]] Matrix centred(Matrix vectors, std::span<const float> mean);
[[nodiscard]] Matrix transposed(const Matrix& matrix);

// d x count, orthonormal columns, the most varied first; of n x d centred vectors, count <= d. A direction that the
// others span already is 0. Each iteration is two passes over the vectors: O(n d count). Three of them span the leading
// directions well; a dozen tell them apart.
[[nodiscard]] Matrix principal_directions(const Matrix& vectors, std::size_t count, std::size_t iterations,
                                          std::mt19937_64& random);

// n x count: where vectors lie along such directions.
[[nodiscard]] Matrix along(const Matrix& vectors, const Matrix& directions);

}  // namespace driftd::drift
