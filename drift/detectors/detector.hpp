// One way to tell whether a stream drifts: a rule that says, after each image, whether its condition for an alert
// holds.
//
// Confined to one thread (the Monitor guards it). Nothing is thrown but for a state that does not fit, which resume()
// forgets. Memory is bounded; state() is at most some 20 KB.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "drift/alert.hpp"
#include "drift/e_detector.hpp"
#include "drift/moment.hpp"
#include "drift/reference_version.hpp"
#include "drift/time_window.hpp"
#include "drift/window.hpp"

namespace driftd::drift {

// One scored image, as detectors see it. The windows hold it already.
struct Seen {
  const ReferenceVersion& reference;
  bool ood = false;
  std::span<const float> values;  // the rank of the score, then of each channel that the reference watches
  const WindowSummary& window;
  const TimeWindow* time_window;  // null: none
  Moment now;
};

// What a detector measures, in units of its own; it fires at or over the limit.
struct Reading {
  double value = 0;
  double limit = std::numeric_limits<double>::quiet_NaN();  // until the reference has told
  std::vector<EDetector::Group> groups;
  std::vector<Shift> channels;  // every end that is watched, the greatest share of the value first
};

// What a Reading says of the value and its limit.
struct Level {
  double value = 0;
  double limit = std::numeric_limits<double>::quiet_NaN();
};

// What survives a restart. Each detector has its own use for the numbers.
struct DetectorState {
  std::vector<EDetector::Channel> channels;
  std::vector<double> numbers;
  Moment begun;
};

class Detector {
 public:
  virtual ~Detector() = default;

  // learn: no alert of this detector fires, so what is seen may count as normal.
  virtual Condition step(const Seen& seen, bool learn) = 0;
  [[nodiscard]] virtual Reading reading() const = 0;
  // Asked for after each image: a detector whose reading() costs more than that overrides it.
  [[nodiscard]] virtual Level level() const {
    const auto all = reading();
    return {all.value, all.limit};
  }
  // Tells an alert that fires with this image what only the detector knows.
  virtual void describe(Alert& alert, const Seen& seen) const = 0;
  // Its alert has been resolved.
  virtual void resolved() {}
  // As before the first image.
  virtual void clear() = 0;

  [[nodiscard]] virtual DetectorState state() const = 0;
  virtual void resume(const DetectorState& state) = 0;
};

}  // namespace driftd::drift
