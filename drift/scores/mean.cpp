// mean: the mean distance to the k nearest (Angiulli and Pizzuti, "Fast outlier detection in high dimensional spaces",
// PKDD 2002). Steadier than the k-th distance alone.
#include <algorithm>

#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

double mean(std::span<const Near> near, std::size_t k) {
  const auto found = near.first(std::min(k, near.size()));
  double sum = 0;
  for (const auto& one : found) sum += one.distance;
  return sum / static_cast<double>(found.size());
}

}  // namespace driftd::drift::scores
