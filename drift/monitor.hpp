// Follows every stream of scored images: window, detector, alerts and evidence, created on first use.
//
// Rules watch a stream (detectors/kinds.hpp), each with its own alert: by default "ood-rate" (many strange images in
// the window) and "e-detector" (a drift that is still small or new).
//
// Thread-safe. One lock, held for about a microsecond per image. Events are delivered outside the lock, one at a time
// and in order, by one of the threads that call observe(); an event whose delivery throws stays first in line and is
// tried again with the next image. Memory is bounded: max_streams windows, max_alerts alerts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/guarded.hpp"
#include "drift/alert.hpp"
#include "drift/curve.hpp"
#include "drift/detectors/detector.hpp"
#include "drift/detectors/kinds.hpp"
#include "drift/e_detector.hpp"
#include "drift/evidence.hpp"
#include "drift/reference_version.hpp"
#include "drift/time_window.hpp"
#include "drift/window.hpp"

namespace driftd::drift {

// What watches the streams whose names match a pattern (silence.hpp), in place of MonitorOptions' own.
struct StreamRule {
  std::string streams;
  AlertRule rule;
  std::optional<std::size_t> run_length;
  std::optional<std::vector<std::string>> detectors;
};

struct MonitorOptions {
  std::size_t window = 500;          // images
  std::uint32_t window_seconds = 0;  // length of a second window, by time; 0: none
  double confidence = 0.95;          // of the Wilson bounds, two-sided
  AlertRule rule;                    // of the rates; the other detectors have its resolve_after and cooldown, too
  std::size_t run_length = 10'000;   // images until a detector's false alarm is expected; 0: only rates watch
  std::vector<std::string> detectors{std::string{kRateRule}, std::string{kDetectorRule}};  // the most urgent first
  std::vector<StreamRule> rules;  // for some streams: the first that matches
  std::size_t max_streams = 1000;
  std::size_t max_alerts = 1000;      // history; the oldest resolved ones go first
  std::vector<std::string> followed;  // names of rules that others watch, see Monitor::follow
  std::function<std::string()>
      new_id;  // unique, sortable by time; called under the lock. Empty: "alert-<ms>-<counter>"
};

// One scored image.
struct Result {
  double score = 0;
  double p_value = 1;
  bool ood = false;
  double distance = 0;
  std::string request_id;
  std::vector<NearImage> neighbours;  // nearest first; may be left empty where ood is false
  std::vector<float> watched;  // a value for each channel of the reference, NaN for none; the last may be left out
};

struct AlertSummary {
  std::string id;
  std::string rule;
  AlertState state = AlertState::firing;
};

struct Observation {
  WindowSummary window;
  std::optional<AlertSummary> alert;  // the most urgent that is firing
};

struct DetectorSummary {
  std::string name;
  Reading reading;
  bool pending = false;               // the condition holds, not yet for long enough
  std::optional<AlertSummary> alert;  // firing
};

struct StreamSummary {
  std::string name;
  std::string reference;
  WindowSummary window;
  std::optional<TimeWindowSummary> time_window;  // none when that window is off
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  std::vector<DetectorSummary> detectors;  // the most urgent first

  // Null where that rule does not watch the stream.
  [[nodiscard]] const DetectorSummary* detector(std::string_view rule) const;
  [[nodiscard]] bool pending() const;  // one of them
  [[nodiscard]] std::optional<AlertSummary> most_urgent() const;
};

// A rule that is watched outside of the monitor, which keeps its alerts.
struct FollowedRule {
  std::string name;  // among MonitorOptions::followed
  Condition condition;
  Moment since;                      // an estimate of when what it finds began; image 0: not known
  double threshold = 0;              // Alert's
  double false_alarm_per_image = 1;  // Alert's
  double value = 0;                  // for the alert's curve
};

// A transition of an alert to firing or to resolved, as the alert stood right after it.
struct Event {
  Alert alert;
};

// A rule's alert in one stream.
struct WatchState {
  AlertMachine::State machine;
  std::string alert_id;  // of the firing alert, else empty
};

struct RuleState {
  std::string name;
  WatchState watch;
  DetectorState detector;
  std::vector<CurvePoint> curve;
};

// All that a stream remembers; see Monitor::snapshot.
struct StreamState {
  std::string name;
  std::string reference;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  Window::State window;
  TimeWindow::State time_window;
  std::vector<RuleState> rules;
  std::vector<Evidence> candidates;
};

struct MonitorState {
  std::vector<StreamState> streams;
  std::vector<Alert> alerts;  // oldest first
};

class Monitor {
 public:
  // Throws Error invalid_argument when an option is out of range. `on_event` may be empty.
  Monitor(MonitorOptions options, std::function<void(const Event&)> on_event);
  ~Monitor();

  // Counts one image. Throws Error: invalid_argument for a bad stream name (1 to 64 of A-Z a-z 0-9 . _ -) or a result
  // that is not finite, overloaded when a new stream would exceed max_streams. What on_event throws is not passed on.
  Observation observe(std::string_view stream, const ReferenceVersion& reference, Result result, std::int64_t now_ms);

  // Streams by name, their windows by time as they are at now_ms (0: at the stream's last image); alerts by time of
  // firing, the newest first.
  [[nodiscard]] std::vector<StreamSummary> streams(std::int64_t now_ms = 0) const;
  [[nodiscard]] std::optional<StreamSummary> stream(std::string_view name, std::int64_t now_ms = 0) const;
  [[nodiscard]] std::vector<Alert> alerts() const;
  [[nodiscard]] std::optional<Alert> alert(std::string_view id) const;

  // One step of a rule that is watched elsewhere: its alert fires and resolves at once, and lives as the others do.
  // Nothing for a stream that has sent no image. Throws Error invalid_argument for a rule that is not followed.
  void follow(std::string_view stream, const FollowedRule& rule, std::int64_t now_ms);
  [[nodiscard]] std::optional<AlertSummary> followed_alert(std::string_view stream, std::string_view rule) const;

  // Tries again to deliver what on_event refused; observe() does so, too, once there is an image.
  void deliver();

  // Forgets a stream's window and detector and resolves its firing alerts. Throws Error not_found.
  void reset(std::string_view stream, std::int64_t now_ms);
  // Marks an alert and returns it, for the caller to save. The first mark stays. Throws Error not_found.
  Alert acknowledge(std::string_view id, std::int64_t now_ms);

  // Everything, for the store. restore() is for a monitor that has seen nothing yet; alerts are trusted over streams,
  // because they are saved at each transition and windows only now and then: an alert that is firing makes its stream
  // firing.
  [[nodiscard]] MonitorState snapshot() const;
  void restore(const MonitorState& state);

 private:
  struct Stream;
  struct State;

  // Constant after construction
  MonitorOptions options_;
  std::function<void(const Event&)> on_event_;

  std::unique_ptr<Guarded<State>> state_;
};

}  // namespace driftd::drift
