#include "drift/detectors/mean_shift.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>

namespace driftd::drift {
namespace {

constexpr std::size_t kNamed = 5;  // components that an alert names

// The components that moved furthest.
std::vector<Shift> furthest(const ComponentWindows& windows, std::span<const double> means) {
  double all = 0;
  for (std::size_t j = 0; j < windows.count(); ++j) all += std::abs(windows.shift(j, means[j]));
  std::vector<Shift> shifts;
  for (std::size_t j = 0; j < windows.count() && all > 0; ++j) {
    const double far = windows.shift(j, means[j]);
    shifts.push_back({"component " + std::to_string(j + 1), far > 0,
                      windows.ranks(j).rank(static_cast<float>(means[j])), std::abs(far) / all});
  }
  std::ranges::stable_sort(shifts, std::ranges::greater{}, &Shift::share);
  if (shifts.size() > kNamed) shifts.resize(kNamed);
  return shifts;
}

}  // namespace

bool MeanShift::knows(const Seen& seen) const {
  return seen.reference.windows && seen.values.size() > seen.reference.windows->count();
}

void MeanShift::add(const Seen& seen, std::vector<double>& sums) {
  const auto values = seen.values.subspan(1, seen.reference.windows->count());
  sums.resize(values.size());
  std::ranges::transform(sums, values, sums.begin(), std::plus<double>{});
}

Tumbling::Verdict MeanShift::judge(const Seen& seen, const std::vector<double>& sums) const {
  const auto& windows = *seen.reference.windows;
  auto means = sums;
  for (auto& mean : means) mean /= static_cast<double>(size());
  return {windows.length(means), windows.limit(level(), size()), furthest(windows, means)};
}

}  // namespace driftd::drift
