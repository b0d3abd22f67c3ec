#include "drift/detectors/mean_shift.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

namespace driftd::drift {
namespace {

constexpr std::size_t kNamed = 5;  // components that an alert names

// The components that moved furthest.
std::vector<Shift> furthest(const ComponentWindows& windows, const std::vector<double>& sums, std::size_t images) {
  double all = 0;
  for (std::size_t j = 0; j < windows.count(); ++j) all += std::abs(windows.shift(j, sums, images));
  std::vector<Shift> shifts;
  for (std::size_t j = 0; j < windows.count() && all > 0; ++j) {
    const double far = windows.shift(j, sums, images);
    shifts.push_back(
        {"component " + std::to_string(j + 1), far > 0, windows.rank(j, sums, images), std::abs(far) / all});
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
  const auto& windows = *seen.reference.windows;
  windows.add(seen.values.subspan(1, windows.count()), sums);
}

Tumbling::Verdict MeanShift::judge(const Seen& seen, const std::vector<double>& sums) const {
  const auto& windows = *seen.reference.windows;
  return {windows.length(sums, size()), windows.limit(significance(), size()), furthest(windows, sums, size())};
}

}  // namespace driftd::drift
