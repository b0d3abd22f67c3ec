#include "embed/batch_plan.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <limits>

namespace driftd::embed {

std::vector<std::size_t> plan_batches(std::size_t n, const std::vector<std::size_t>& sizes) {
  assert(!sizes.empty());
  // Full runs of the largest size are the cheapest; what is left is small enough to be planned exactly.
  const std::size_t largest = std::ranges::max(sizes);
  std::vector<std::size_t> plan(n / largest, largest);

  // least[i]: the least cost of i images in half images, and the first run that achieves it.
  struct Least {
    std::size_t cost = std::numeric_limits<std::size_t>::max();
    std::size_t run = 0;
  };
  const std::size_t rest = n % largest;
  std::vector<Least> least(rest + 1);
  least[0].cost = 0;
  for (std::size_t i = 1; i <= rest; ++i) {
    for (const std::size_t size : sizes) {
      const std::size_t cost = 2 * size + 1 + least[i - std::min(i, size)].cost;
      if (cost < least[i].cost) least[i] = {cost, size};
    }
  }
  for (std::size_t i = rest; i > 0; i -= std::min(i, least[i].run)) plan.push_back(least[i].run);
  std::ranges::sort(plan, std::greater{});
  return plan;
}

}  // namespace driftd::embed
