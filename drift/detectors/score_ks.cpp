#include "drift/detectors/score_ks.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace driftd::drift {

double ks_distance(std::vector<double> ranks, std::size_t n) {
  std::ranges::sort(ranks);
  const auto m = static_cast<double>(ranks.size());
  double furthest = 0;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const double below = ranks[i] / static_cast<double>(n);
    // Just before this value and with it: the share of the reference's less that of the window's.
    for (const double distance : {below - static_cast<double>(i) / m, below - static_cast<double>(i + 1) / m}) {
      if (std::abs(distance) > std::abs(furthest)) furthest = distance;
    }
  }
  return furthest;
}

double ks_limit(double level, std::size_t m, std::size_t n) {
  const auto a = static_cast<double>(m);
  const auto b = static_cast<double>(n);
  const double root = std::sqrt(a * b / (a + b));
  // The first term of Kolmogorov's series; at these levels the others are below 1e-4 of it.
  return std::sqrt(-0.5 * std::log(level / 2)) / (root + 0.12 + 0.11 / root);
}

Tumbling::Verdict ScoreKs::judge(const Seen& seen, const std::vector<double>& ranks) const {
  const double distance = ks_distance(ranks, seen.reference.ranked);
  const double mean = std::accumulate(ranks.begin(), ranks.end(), 0.0) / static_cast<double>(ranks.size());
  const auto places = static_cast<double>(seen.reference.ranked) + 1;
  // A distance that is at the limit but for rounding is over it.
  return {std::abs(distance) + 1e-9,
          ks_limit(significance(), ranks.size(), seen.reference.ranked),
          {{"score", distance > 0, (mean + 0.5) / places, 1}}};
}

}  // namespace driftd::drift
