// Where the values of a sample lie among those of a reference, and whether chance explains it.
//
// Wilcoxon's rank-sum test, two-sided, by the normal approximation with corrections for ties and continuity (H. Mann,
// D. Whitney, "On a test of whether one of two random variables is stochastically larger than the other", 1947).
// Thread-safe: a pure function.
#pragma once

#include <span>
#include <vector>

namespace driftd::drift {

struct RankSum {
  double rank = 0.5;   // chance that a value of the sample is above one of the reference, ties counting half
  double p_value = 1;  // exact enough from about 8 values on
};

// Values are finite; `reference` ascends. 0.5 and 1 where either is empty. O(m log m + n).
[[nodiscard]] RankSum rank_sum(std::vector<float> sample, std::span<const float> reference);

}  // namespace driftd::drift
