// The rules by which the nearest training images become one number: 0 or so, or small, for a typical training image,
// larger for a stranger one. One file each, with the idea and its source on top.
//
// `near` is not empty, ascending by distance; where it holds fewer than k (or ten), those that are there count.
// Thread-safe: pure functions. O(k).
#pragma once

#include <cstddef>
#include <span>

#include "drift/near.hpp"
#include "drift/scores/terms.hpp"

namespace driftd::drift::scores {

[[nodiscard]] double blend(const Terms& terms, const Standards& standards);
[[nodiscard]] double d1r3(const Terms& terms, const Standards& standards);
[[nodiscard]] double knn(std::span<const Near> near, std::size_t k);
[[nodiscard]] double mean(std::span<const Near> near, std::size_t k);
[[nodiscard]] double rmean(std::span<const Near> near, double floor);

}  // namespace driftd::drift::scores
