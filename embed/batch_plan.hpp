// How to run n images on a model that takes only some batch sizes, in the least time.
//
// Thread-safe: pure functions. Cost: O(largest size x number of sizes) + O(runs).
#pragma once

#include <cstddef>
#include <vector>

namespace driftd::embed {

struct BatchSize {
  std::size_t size = 0;  // images in one run, at least 1
  double cost = 0;       // of one run, full or padded, in any unit; above 0
};

// The sizes to run, largest first. They add up to n or more, and without any one of them an image would be left out.
// sizes: not empty.
[[nodiscard]] std::vector<std::size_t> plan_batches(std::size_t n, const std::vector<BatchSize>& sizes);

// The size that costs least for each image; of two that differ by less than 3%, which is how well costs are known, the
// larger.
[[nodiscard]] std::size_t best_batch(const std::vector<BatchSize>& sizes);

}  // namespace driftd::embed
