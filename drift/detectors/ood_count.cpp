#include "drift/detectors/ood_count.hpp"

#include <algorithm>
#include <limits>

#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr double kHighestLevel = 0.1;  // a window of a tenth of the run length or more

}  // namespace

std::size_t flags_at_level(double level, std::size_t size, double alpha, std::size_t n_reference) {
  const auto ranks = conformal_ranks(alpha, n_reference);
  if (ranks == 0) return size + 1;
  const auto a = static_cast<double>(ranks);
  const auto b = static_cast<double>(n_reference + 1 - ranks);
  double tail = 0;
  for (std::size_t count = size + 1; count-- > 0;) {
    tail += beta_binomial_mass(count, size, a, b);
    if (tail > level) return count + 1;
  }
  return 0;
}

bool OodCount::ends_before(const Seen& seen) const {
  return windows_.seconds > 0 && slice(seen.now) > slice(begun());
}

bool OodCount::ends_with(const Seen&) const {
  return size() >= (windows_.seconds > 0 ? kMaxWindow : windows_.images);
}

void OodCount::add(const Seen& seen, std::vector<double>& sums) {
  sums.resize(1);
  sums[0] += seen.ood ? 1 : 0;
}

Tumbling::Verdict OodCount::judge(const Seen& seen, const std::vector<double>& sums) const {
  if (size() < windows_.min_images) return {sums.at(0), std::numeric_limits<double>::infinity(), {}};
  const double level = std::min(kHighestLevel, static_cast<double>(size()) / static_cast<double>(run_length()));
  return {
      sums.at(0), static_cast<double>(flags_at_level(level, size(), seen.reference.alpha, seen.reference.ranked)), {}};
}

}  // namespace driftd::drift
