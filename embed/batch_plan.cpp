#include "embed/batch_plan.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <limits>

namespace driftd::embed {

std::vector<std::size_t> plan_batches(std::size_t n, const std::vector<BatchSize>& sizes) {
  assert(!sizes.empty());
  // Full runs of the best size cost least; what is left is small enough to be planned exactly.
  const std::size_t best = best_batch(sizes);
  const std::size_t largest = std::ranges::max(sizes, {}, &BatchSize::size).size;
  const std::size_t full_runs = n > largest ? (n - largest) / best : 0;
  std::vector<std::size_t> plan(full_runs, best);

  // least[i]: the least cost of i images, and the first run that achieves it.
  struct Least {
    double cost = std::numeric_limits<double>::infinity();
    std::size_t run = 0;
  };
  const std::size_t rest = n - full_runs * best;
  std::vector<Least> least(rest + 1);
  least[0].cost = 0;
  for (std::size_t i = 1; i <= rest; ++i) {
    for (const auto& [size, run_cost] : sizes) {
      const double cost = run_cost + least[i - std::min(i, size)].cost;
      if (cost < least[i].cost) least[i] = {cost, size};
    }
  }
  for (std::size_t i = rest; i > 0; i -= std::min(i, least[i].run)) plan.push_back(least[i].run);
  std::ranges::sort(plan, std::greater{});

  // A padded run may cover so much that a smaller one is left without an image.
  std::size_t sum = 0;
  const auto enough = std::ranges::find_if(plan, [&](std::size_t run) { return (sum += run) >= n; });
  if (enough != plan.end()) plan.erase(enough + 1, plan.end());
  return plan;
}

std::size_t best_batch(const std::vector<BatchSize>& sizes) {
  constexpr double kAlike = 1.03;
  const auto each = [](const BatchSize& size) { return size.cost / static_cast<double>(size.size); };
  const double least = each(std::ranges::min(sizes, {}, each));
  std::size_t best = 0;
  for (const BatchSize& size : sizes)
    if (each(size) <= kAlike * least) best = std::max(best, size.size);
  return best;
}

}  // namespace driftd::embed
