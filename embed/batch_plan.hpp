// How to run n images on a model that takes only some batch sizes.
//
// Thread-safe: a pure function. Cost: O(largest size x number of sizes) + O(runs).
#pragma once

#include <cstddef>
#include <vector>

namespace driftd::embed {

// The sizes to run, largest first, with the least work: padding counts like images, and each run like half an image more (batch 1
// costs 1.2 to 1.5 times as much for each image as batch 8 does, on two models measured). They add up to n or more; leaving one out
// would leave an image out. sizes: not empty, each at least 1.
[[nodiscard]] std::vector<std::size_t> plan_batches(std::size_t n, const std::vector<std::size_t>& sizes);

}  // namespace driftd::embed
