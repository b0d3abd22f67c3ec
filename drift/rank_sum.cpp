#include "drift/rank_sum.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace driftd::drift {

RankSum rank_sum(std::vector<float> sample, std::span<const float> reference) {
  if (sample.empty() || reference.empty()) return {};
  std::ranges::sort(sample);
  double above = 0;  // pairs in which the sample's value is the larger, ties counting half
  double ties = 0;   // sum of t^3 - t over runs of t equal values
  auto at = sample.begin();
  auto below = reference.begin();
  while (at != sample.end() || below != reference.end()) {
    const float value = below == reference.end() ? *at : at == sample.end() ? *below : std::min(*at, *below);
    const auto next_at = std::find_if(at, sample.end(), [&](float x) { return x != value; });
    const auto next_below = std::find_if(below, reference.end(), [&](float x) { return x != value; });
    const auto mine = static_cast<double>(next_at - at);
    const auto others = static_cast<double>(next_below - below);
    above += mine * (static_cast<double>(below - reference.begin()) + others / 2);
    ties += std::pow(mine + others, 3) - (mine + others);
    at = next_at;
    below = next_below;
  }
  const auto m = static_cast<double>(sample.size());
  const auto n = static_cast<double>(reference.size());
  const double variance = m * n / 12 * (m + n + 1 - ties / ((m + n) * (m + n - 1)));
  const double far = std::max(0.0, std::abs(above - m * n / 2) - 0.5);
  const double p = variance > 0 ? std::erfc(far / std::sqrt(variance) / std::numbers::sqrt2) : 1;
  return {above / (m * n), p};
}

}  // namespace driftd::drift
