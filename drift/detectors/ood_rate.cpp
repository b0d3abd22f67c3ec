#include "drift/detectors/ood_rate.hpp"

#include <cmath>

namespace driftd::drift {

Condition OodRate::step(const Seen& seen, bool) {
  if (!by_time_) {
    lower_ = seen.window.lower;
    return condition(rule_, seen.window);
  }
  if (seen.time_window == nullptr) return {};
  const auto window = seen.time_window->summary(seen.now.at_ms);
  lower_ = window.lower;
  return condition(rule_, window);
}

void OodRate::describe(Alert& alert, const Seen& seen) const {
  alert.threshold = rule_.threshold;
  const auto& [name, ranked, alpha, watched, windows] = seen.reference;
  if (!by_time_) {
    alert.false_alarm_per_image =
        false_alarm_bound(seen.window.capacity, rule_.min_size, rule_.threshold, alpha, ranked, confidence_);
    return;
  }
  const auto window = seen.time_window->summary(seen.now.at_ms);
  alert.rate = window.ood_rate;
  alert.lower = window.lower;
  alert.upper = window.upper;
  alert.window = window.size;
  alert.false_alarm_per_image = over_threshold_chance(window.size, rule_.threshold, alpha, ranked, confidence_);
}

void OodRate::resume(const DetectorState& state) {
  if (state.numbers.size() == 1) lower_ = state.numbers[0];
}

}  // namespace driftd::drift
