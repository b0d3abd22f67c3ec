// The rules by which the nearest training images become one number: 0 or so, or small, for a typical training image,
// larger for a stranger one. One file each, with the idea and its source on top.
//
// `near` is not empty, ascending by distance; where it holds fewer than k (or ten), those that are there count. `image`
// is its embedding, of as many values as what it is compared with.
// Thread-safe: pure functions. O(k); l1 O(k d) and mahalanobis O(r d) for d values an embedding and r directions.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "core/matrix.hpp"
#include "drift/near.hpp"
#include "drift/rule.hpp"
#include "drift/scores/gaussian.hpp"
#include "drift/scores/terms.hpp"

namespace driftd::drift::scores {

[[nodiscard]] double blend(const Terms& terms, const Standards& standards);
[[nodiscard]] double d1r3(const Terms& terms, const Standards& standards);
[[nodiscard]] double knn(std::span<const Near> near, std::size_t k);
// For every k, the k-th at k - 1.
[[nodiscard]] std::array<double, kNeighbours> l1(std::span<const float> image, MatrixView near);
[[nodiscard]] double mahalanobis(std::span<const float> image, const Gaussian& reference);
[[nodiscard]] double mean(std::span<const Near> near, std::size_t k);
[[nodiscard]] double rmean(std::span<const Near> near, double floor);

}  // namespace driftd::drift::scores
