#include "drift/time_window.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {

TimeWindow::TimeWindow(std::uint32_t seconds, std::size_t min_size, double confidence)
    : seconds_{seconds}, min_size_{min_size}, z_{0} {
  if (seconds < 1 || seconds > kMaxSeconds || !(confidence > 0 && confidence < 1)) {
    throw Error{Errc::invalid_argument, "a window of " + std::to_string(seconds) + " seconds: choose 1 to " +
                                            std::to_string(kMaxSeconds) + ", and a confidence between 0 and 1"};
  }
  z_ = normal_quantile((1 + confidence) / 2);
}

void TimeWindow::resume(const State& state) {
  if (state.seconds != seconds_) return;
  buckets_ = state.buckets;
}

std::int64_t TimeWindow::slice_at(std::int64_t now_ms) const {
  const auto slices = static_cast<std::int64_t>(kBuckets);
  const std::int64_t length_ms = std::int64_t{seconds_} * 1000;
  // Whole windows and the rest apart, so that nothing overflows.
  return now_ms / length_ms * slices + now_ms % length_ms * slices / length_ms;
}

bool TimeWindow::too_old(const Bucket& bucket, std::int64_t slice) const {
  return bucket.slice + static_cast<std::int64_t>(kBuckets) <= slice;
}

void TimeWindow::push(bool ood, std::int64_t now_ms) {
  const auto slice = slice_at(now_ms);
  if (buckets_.empty() || buckets_.back().slice < slice) {
    std::erase_if(buckets_, [&](const Bucket& bucket) { return too_old(bucket, slice); });
    buckets_.push_back({slice, 0, 0});
  }
  auto& newest = buckets_.back();
  if (newest.size == std::numeric_limits<std::uint32_t>::max()) return;
  ++newest.size;
  newest.flagged += ood ? 1 : 0;
}

TimeWindowSummary TimeWindow::summary(std::int64_t now_ms) const {
  TimeWindowSummary summary{.seconds = seconds_};
  const auto slice = slice_at(now_ms);
  for (const auto& bucket : buckets_) {
    if (too_old(bucket, slice)) continue;
    summary.size += bucket.size;
    summary.flagged += bucket.flagged;
  }
  if (summary.size > 0) summary.ood_rate = static_cast<double>(summary.flagged) / static_cast<double>(summary.size);
  const auto bounds = wilson_z(summary.flagged, summary.size, z_);
  summary.lower = bounds.lower;
  summary.upper = bounds.upper;
  summary.enough = summary.size >= min_size_;
  return summary;
}

}  // namespace driftd::drift
