#include "drift/scores/terms.hpp"

#include <algorithm>
#include <cmath>

namespace driftd::drift {
namespace {

// log d_k and log r_k.
struct Pair {
  double distance;
  double ratio;
};

Pair pair_at(std::span<const Near> near, std::size_t k, float Near::* own, double floor) {
  const auto found = near.first(std::min(k, near.size()));
  double sum = 0;
  for (const auto& one : found) sum += std::max<double>(one.*own, floor);
  const double distance = std::max<double>(found.back().distance, floor);
  return {std::log(distance), std::log(distance * static_cast<double>(found.size()) / sum)};
}

}  // namespace

Terms terms_of(std::span<const Near> near, double floor) {
  const auto third = pair_at(near, 3, &Near::own3, floor);
  const auto tenth = pair_at(near, 10, &Near::own10, floor);
  return {std::log(std::max<double>(near.front().distance, floor)), tenth.distance, third.ratio, tenth.ratio};
}

}  // namespace driftd::drift
