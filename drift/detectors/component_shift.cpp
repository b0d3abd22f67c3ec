#include "drift/detectors/component_shift.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <utility>

namespace driftd::drift {
namespace {

constexpr std::size_t kNamed = 5;  // components that an alert names

// The components that moved furthest; `far` is signed and non-negative in sum of absolute values.
std::vector<Shift> furthest(const ComponentWindows& windows, const std::vector<double>& far,
                            const std::vector<double>& ranks) {
  const double all =
      std::transform_reduce(far.begin(), far.end(), 0.0, std::plus<>{}, [](double x) { return std::abs(x); });
  std::vector<Shift> shifts;
  for (std::size_t j = 0; j < windows.count() && all > 0; ++j) {
    shifts.push_back({"component " + std::to_string(j + 1), far[j] > 0, ranks[j], std::abs(far[j]) / all});
  }
  std::ranges::stable_sort(shifts, std::ranges::greater{}, &Shift::share);
  if (shifts.size() > kNamed) shifts.resize(kNamed);
  return shifts;
}

std::size_t bins_before(const ComponentWindows& windows, std::size_t component) {
  std::size_t bins = 0;
  for (std::size_t j = 0; j < component; ++j) bins += windows.ranks(j).bins();
  return bins;
}

// The mean of the ranks that a window's counts stand for.
double mean_rank(const RankHistogram& ranks, std::span<const double> counts) {
  double below = 0;
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double places = ranks.state().places[i];
    sum += counts[i] * (below + places / 2) / ranks.total();
    below += places;
  }
  return sum / std::accumulate(counts.begin(), counts.end(), 0.0);
}

}  // namespace

bool ComponentShift::knows(const Seen& seen) const {
  return seen.reference.windows && seen.values.size() > seen.reference.windows->count();
}

void ComponentShift::add(const Seen& seen, std::vector<double>& sums) {
  const auto& windows = *seen.reference.windows;
  const auto values = seen.values.subspan(1, windows.count());
  if (by_ == By::mean) {
    sums.resize(values.size());
    std::ranges::transform(sums, values, sums.begin(), std::plus<double>{});
    return;
  }
  sums.resize(bins_before(windows, windows.count()));
  std::size_t first = 0;
  for (std::size_t j = 0; j < values.size(); first += windows.ranks(j++).bins())
    ++sums[first + windows.ranks(j).bin(values[j])];
}

Tumbling::Verdict ComponentShift::judge(const Seen& seen, const std::vector<double>& sums) const {
  const auto& windows = *seen.reference.windows;
  return by_ == By::mean ? judge_mean(windows, sums) : judge_ks(windows, sums);
}

Tumbling::Verdict ComponentShift::judge_ks(const ComponentWindows& windows, const std::vector<double>& counts) const {
  std::vector<double> far;
  std::vector<double> ranks;
  for (std::size_t j = 0; j < windows.count(); ++j) {
    const auto own = std::span{counts}.subspan(bins_before(windows, j), windows.ranks(j).bins());
    far.push_back(windows.ks(j, own));
    ranks.push_back(mean_rank(windows.ranks(j), own));
  }
  const double value = std::abs(*std::ranges::max_element(far, {}, [](double x) { return std::abs(x); }));
  return {value, windows.ks_limit(one_in()) + kTolerance, furthest(windows, far, ranks)};
}

Tumbling::Verdict ComponentShift::judge_mean(const ComponentWindows& windows, const std::vector<double>& sums) const {
  std::vector<double> far;
  std::vector<double> ranks;
  double squares = 0;
  for (std::size_t j = 0; j < windows.count(); ++j) {
    const double mean = sums[j] / static_cast<double>(size());
    far.push_back(windows.shift(j, mean));
    ranks.push_back(windows.ranks(j).rank(static_cast<float>(mean)));
    squares += far.back() * far.back();
  }
  const double limit = std::max(windows.shift_limit(one_in()), std::hypot(kHarmless, windows.chance()));
  return {std::sqrt(squares), limit, furthest(windows, far, ranks)};
}

}  // namespace driftd::drift
