// What one pass over a sketch (index/sketch.hpp) compares: blocks of its rows with queries, in tasks for threads.
//
// Immutable once made: thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace driftd::index {

// Blocks to compare with the same queries.
struct SketchTask {
  std::size_t begin;
  std::size_t end;
  std::span<const std::uint32_t> queries;
};

class SketchPlan {
 public:
  static constexpr std::size_t kBlocksATime = 64;  // at most in a task

  // All blocks with all queries.
  SketchPlan(std::size_t queries, std::size_t blocks);

  // The cells that each query has chosen, as many for each and the most promising first, which come first here, too;
  // `blocks` holds where each cell begins, and the end.
  SketchPlan(std::size_t queries, std::span<const std::int64_t> chosen, std::span<const std::uint32_t> blocks);

  SketchPlan(const SketchPlan&) = delete;
  SketchPlan& operator=(const SketchPlan&) = delete;

  [[nodiscard]] std::span<const SketchTask> tasks() const { return tasks_; }

 private:
  void add(SketchTask task);

  std::vector<std::uint32_t> queries_;
  std::vector<SketchTask> tasks_;
};

}  // namespace driftd::index
