// knn: the distance to the k-th neighbour (Sun et al., "Out-of-distribution detection with deep nearest neighbors",
// ICML 2022).
#include <algorithm>

#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

double knn(std::span<const Near> near, std::size_t k) {
  return near[std::min(k, near.size()) - 1].distance;
}

}  // namespace driftd::drift::scores
