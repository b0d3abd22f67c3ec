// rmean: the mean distance to the ten nearest, divided by the mean of their own tenth distances. One formula, nearly as
// good as the blend: absolute where the reference is even, relative where it is not (after LOF: Breunig et al., 2000).
#include <algorithm>

#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

double rmean(std::span<const Near> near, double floor) {
  double distances = 0;
  double own = 0;
  for (const auto& one : near.first(std::min<std::size_t>(10, near.size()))) {
    distances += one.distance;
    own += std::max<double>(one.own10, floor);
  }
  return distances / own;
}

}  // namespace driftd::drift::scores
