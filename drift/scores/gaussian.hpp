// A Gaussian fitted to the reference's embeddings, for the rule mahalanobis: leading principal directions with their
// covariance, and one variance for everything else (probabilistic PCA: Tipping and Bishop, JRSS B 61, 1999).
//
// That is the shrinkage which fits vectors of hundreds of dimensions: a full precision matrix of 1,752 dimensions would
// take 12 MB and 3 million products a score, and is singular for a reference of fewer images; this takes 64 directions.
// The directions are found by subspace iteration (subspace.hpp) from random ones of a fixed seed.
//
// Thread-safe: a plain value, immutable once made, and pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/matrix.hpp"

namespace driftd::drift {

struct Gaussian {
  std::vector<float> mean;    // of d dimensions; empty: not fitted
  Matrix directions;          // r x d, orthonormal
  std::vector<double> lower;  // r x r, row-major: Cholesky factor of the covariance along the directions
  double rest = 1;            // variance of each of the other d - r dimensions
};

inline constexpr std::size_t kDirections = 64;

// Of at least 2 rows; r is the least of kDirections, d and rows / 4. O(rows d r).
[[nodiscard]] Gaussian fit_gaussian(const Matrix& vectors);

}  // namespace driftd::drift
