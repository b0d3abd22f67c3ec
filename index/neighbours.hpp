// What a nearest-neighbour search finds. A plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace driftd::index {

// Row-major queries x k, nearest first, equal distances by row; where fewer than k vectors are found, row is -1 and
// distance infinite. Distances are Euclidean (L2, not squared).
struct Neighbours {
  std::size_t k = 0;
  std::vector<float> distances;
  std::vector<std::int64_t> rows;
};

}  // namespace driftd::index
