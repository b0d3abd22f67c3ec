#include "drift/detectors/ood_count.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "drift/statistics.hpp"

namespace driftd::drift {
double flags_at_level(double level, std::size_t size, double alpha, std::size_t n_reference) {
  const auto ranks = conformal_ranks(alpha, n_reference);
  if (ranks == 0) return static_cast<double>(size) + 1;
  const auto a = static_cast<double>(ranks);
  const auto b = static_cast<double>(n_reference + 1 - ranks);
  double tail = 0;
  for (std::size_t count = size + 1; count-- > 0;) {
    const double mass = beta_binomial_mass(count, size, a, b);
    if (tail + mass > level) return static_cast<double>(count) + 1 - (level - tail) / mass;
    tail += mass;
  }
  return 0;
}

double strangeness(double rank_sum, std::size_t count, std::size_t others) {
  if (count == 0 || others == 0) return 0;
  const auto m = static_cast<double>(count);
  const auto n = static_cast<double>(others);
  const double deviation = std::sqrt(m * n * (m + n + 1) / 12);
  return 0.5 * std::erfc((m * n / 2 - rank_sum) / (deviation * std::numbers::sqrt2));
}

bool OodCount::ends_before(const Seen& seen) const {
  return windows_.seconds > 0 && slice(seen.now) > slice(begun());
}

bool OodCount::ends_with(const Seen&) const {
  return size() >= (windows_.seconds > 0 ? kMaxWindow : windows_.images);
}

// The flags, and of all of them together how many flagged reference images are less strange.
void OodCount::add(const Seen& seen, std::vector<double>& sums) {
  sums.resize(2);
  if (!seen.ood) return;
  ++sums[0];
  const auto& reference = seen.reference;
  const auto places = conformal_ranks(reference.alpha, reference.ranked);
  if (places == 0 || seen.values.empty()) return;
  const auto others = static_cast<double>(places - 1);
  sums[1] += std::clamp(seen.values.front() - (static_cast<double>(reference.ranked) - others), 0.0, others);
}

Tumbling::Verdict OodCount::judge(const Seen& seen, const std::vector<double>& sums) const {
  if (size() < windows_.min_images) return {sums.at(0), std::numeric_limits<double>::infinity(), {}};
  const auto& reference = seen.reference;
  const auto places = conformal_ranks(reference.alpha, reference.ranked);
  const auto flags = static_cast<std::size_t>(sums.at(0));
  return {static_cast<double>(flags) + (places > 0 ? strangeness(sums.at(1), flags, places - 1) : 0),
          flags_at_level(significance(), size(), reference.alpha, reference.ranked),
          {}};
}

}  // namespace driftd::drift
