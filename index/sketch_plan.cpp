#include "index/sketch_plan.hpp"

#include <algorithm>
#include <numeric>

namespace driftd::index {

SketchPlan::SketchPlan(std::size_t queries, std::size_t blocks) : queries_(queries) {
  std::iota(queries_.begin(), queries_.end(), 0U);
  add({0, blocks, queries_});
}

SketchPlan::SketchPlan(std::size_t queries, std::span<const std::int64_t> chosen, std::span<const std::uint32_t> blocks)
    : queries_(chosen.size()) {
  std::vector<std::size_t> begin(blocks.size());
  for (const auto cell : chosen) ++begin[static_cast<std::size_t>(cell) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  auto next = begin;
  std::vector<std::size_t> order;
  for (std::size_t rank = 0; rank < chosen.size() / queries; ++rank) {
    for (std::size_t q = 0; q < queries; ++q) {
      const auto cell = static_cast<std::size_t>(chosen[q * (chosen.size() / queries) + rank]);
      if (next[cell] == begin[cell]) order.push_back(cell);
      queries_[next[cell]++] = static_cast<std::uint32_t>(q);
    }
  }
  for (const auto cell : order)
    add({blocks[cell], blocks[cell + 1], std::span{queries_}.subspan(begin[cell], next[cell] - begin[cell])});
}

void SketchPlan::add(SketchTask task) {
  for (; task.begin < task.end; task.begin += kBlocksATime)
    tasks_.push_back({task.begin, std::min(task.end, task.begin + kBlocksATime), task.queries});
}

}  // namespace driftd::index
