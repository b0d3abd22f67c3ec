// What a Monitor guards with its lock: the streams, the alerts and the events that wait for delivery.
//
// Confined to one thread (the one that holds the lock). Internal to this library.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "drift/monitor.hpp"

namespace driftd::drift {

// What watches some streams, as the options say.
struct WatchPlan {
  std::string streams;  // pattern
  AlertRule rule;
  std::size_t run_length = 0;
  std::vector<const DetectorKind*> detectors;
};

// One rule of one stream: its detector, the state machine and the alert that it raised.
struct Watch {
  [[nodiscard]] RuleState state() const {
    return {name, {machine.state(), alert_id}, detector->state(), curve.points()};
  }
  [[nodiscard]] std::optional<AlertSummary> firing() const {
    if (alert_id.empty()) return std::nullopt;
    return AlertSummary{alert_id, name, AlertState::firing};
  }

  std::string name;
  std::unique_ptr<Detector> detector;
  AlertMachine machine;
  std::string alert_id;  // of the firing alert, else empty
  Curve curve;
};

struct Monitor::Stream {
  // Keeps references to the plan.
  Stream(const MonitorOptions& options, const WatchPlan& plan, const Window::State& window = {});

  void restart();
  [[nodiscard]] Watch* rule(std::string_view name);
  [[nodiscard]] std::optional<AlertSummary> most_urgent() const;
  [[nodiscard]] std::vector<RuleState> rule_states() const;

  std::string reference;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  Window window;
  std::optional<TimeWindow> time_window;
  std::vector<Watch> rules;  // the most urgent first
  WorstImages worst;
};

struct Monitor::State {
  // Throws Error invalid_argument when a rule is not sound.
  explicit State(const MonitorOptions& o);

  static bool good_name(std::string_view name);
  Stream& stream_at(std::string_view name);
  Stream& find_or_create(std::string_view name, std::int64_t now_ms);
  void watch(const std::string& name, Stream& stream, const Seen& seen);
  Alert alert_now(const std::string& name, const Stream& stream, Moment now);
  void fire(Watch& watch, Alert alert);
  void resolve(Watch& watch, Moment now);
  [[nodiscard]] StreamSummary summary_of(const std::string& name, const Stream& stream, std::int64_t now_ms) const;
  void publish(const Alert& alert);
  void forget_old_alerts();
  Alert& alert_at(std::string_view id);
  const Alert* find(std::string_view id) const;
  std::string next_id(std::int64_t now_ms);
  [[nodiscard]] const WatchPlan& plan_of(std::string_view stream) const;
  void restore_stream(const StreamState& saved);
  void restore_alert(const Alert& saved);
  bool restore_followed(const Alert& saved);  // false: it is of another rule
  void reset_followed(std::string_view stream, Moment now);

  const MonitorOptions* options;  // outlives the state
  std::vector<WatchPlan> plans;   // the last one is for all streams
  std::map<std::string, Stream, std::less<>> streams;
  std::map<std::pair<std::string, std::string>, Watch> followed;  // by stream and rule
  std::deque<Alert> alerts;                                       // oldest first
  std::deque<Event> events;                                       // not yet delivered, oldest first
  bool delivering = false;
  std::uint64_t ids = 0;
};

}  // namespace driftd::drift
