#include "drift/detectors/tumbling.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace driftd::drift {
namespace {

constexpr double kHighestLevel = 0.2;  // of a window of a fifth of the run length or more

}  // namespace

double Tumbling::significance() const {
  return std::min(kHighestLevel, static_cast<double>(size_) / static_cast<double>(run_length_));
}

Condition Tumbling::step(const Seen& seen, bool) {
  if (!knows(seen)) return {};
  if (size_ > 0 && ends_before(seen)) close(seen);
  if (size_++ == 0) begun_ = seen.now;
  add(seen, sums_);
  if (ends_with(seen)) close(seen);
  const bool over = value_ >= limit_;  // no: before the first window, whose limit is not a number
  return {over, !over};
}

void Tumbling::close(const Seen& seen) {
  auto verdict = judge(seen, sums_);
  value_ = verdict.value;
  limit_ = verdict.limit;
  moved_ = std::move(verdict.moved);
  last_begun_ = begun_;
  size_ = 0;
  sums_.clear();
}

void Tumbling::describe(Alert& alert, const Seen&) const {
  alert.started = last_begun_;
  alert.threshold = limit_;
  alert.false_alarm_per_image = 1 / static_cast<double>(run_length_);
  alert.moved = moved_;
}

void Tumbling::clear() {
  size_ = 0;
  sums_.clear();
  value_ = 0;
  limit_ = std::numeric_limits<double>::quiet_NaN();
  moved_.clear();
}

// The images counted, the last window's value and limit (0: none yet), then the sums.
DetectorState Tumbling::state() const {
  DetectorState state{{}, {static_cast<double>(size_), value_, std::isfinite(limit_) ? limit_ : 0}, begun_};
  state.numbers.insert(state.numbers.end(), sums_.begin(), sums_.end());
  return state;
}

void Tumbling::resume(const DetectorState& state) {
  if (state.numbers.size() < 3 || !(state.numbers[0] >= 0 && state.numbers[0] <= static_cast<double>(kMaxWindow)))
    return;
  size_ = static_cast<std::size_t>(state.numbers[0]);
  value_ = state.numbers[1];
  limit_ = state.numbers[2] > 0 ? state.numbers[2] : std::numeric_limits<double>::quiet_NaN();
  sums_.assign(state.numbers.begin() + 3, state.numbers.end());
  if (sums_.empty()) size_ = 0;
  begun_ = last_begun_ = state.begun;
}

}  // namespace driftd::drift
