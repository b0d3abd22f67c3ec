// The rule "accuracy": labels that come later are held against what the reference promises, and an alert is raised when
// the vote has become worse.
//
// What is promised is the accuracy of the reference's own images, each held out (vote_accuracy.hpp), its lower 95%
// bound, less `drop`. Only labels of images that were scored against the live version count; with another version the
// watch of a stream begins anew.
//
// Thread-safe: one lock, held while the accuracy of a new version is measured. Bounded by the monitor's streams.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/references.hpp"
#include "api/vote_accuracy.hpp"
#include "core/guarded.hpp"
#include "drift/accuracy_detector.hpp"
#include "drift/feedback.hpp"
#include "drift/monitor.hpp"

namespace driftd::api {

inline constexpr std::string_view kAccuracyRule = "accuracy";

struct AccuracyReading {
  double expected = 0;   // of the reference's own images
  double tolerated = 0;  // the lowest accuracy that is no finding
  double value = 0;      // of the detector, which alarms at the limit
  double limit = 0;
  std::optional<drift::AlertSummary> alert;
};

class AccuracyWatch {
 public:
  struct Options {
    std::size_t run_length = 2000;  // labels until a false alarm; 0: nothing is watched
    double drop = 0.05;
    std::size_t k = 3;      // neighbours that vote
    std::size_t pools = 1;  // unit vectors per embedding
  };

  // Keeps references to references and monitor.
  AccuracyWatch(Options options, const References& references, drift::Monitor& monitor)
      : options_{options}, references_{references}, monitor_{monitor} {}

  // A label that is counted for the first time; raises or resolves the stream's alert.
  void judged(const drift::Judgement& judgement);
  // The same without alerts, for labels of before a restart, the oldest first.
  void restore(const drift::Judgement& judgement);

  // Nothing before a label, where the rule is off, or where the reference has too few labelled images to promise
  // anything.
  [[nodiscard]] std::optional<AccuracyReading> reading(std::string_view stream) const;

 private:
  struct Stream {
    std::string reference;  // "default@4"
    double expected = 0;
    drift::AccuracyDetector detector;
  };
  struct State {
    std::map<std::string, Stream, std::less<>> streams;
    std::map<std::string, std::pair<std::string, VoteAccuracy>> measured;  // by name: of which version, and what
  };
  // The stream's detector one step later; nothing where the label does not count.
  [[nodiscard]] std::optional<drift::AccuracyDetector> step(const drift::Judgement& judgement);
  [[nodiscard]] const VoteAccuracy& measure(State& state, const Reference& reference) const;

  // Constant after construction
  const Options options_;
  const References& references_;

  drift::Monitor& monitor_;  // thread-safe by itself
  Guarded<State> state_;
};

}  // namespace driftd::api
