// What a Monitor guards with its lock: the streams, the alerts and the events that wait for delivery.
//
// Confined to one thread (the one that holds the lock). Internal to this library.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "drift/monitor.hpp"

namespace driftd::drift {

// One rule of one stream: the state machine and the alert that it raised.
struct Watch {
  [[nodiscard]] WatchState state() const { return {machine.state(), alert_id}; }
  [[nodiscard]] std::optional<AlertSummary> firing(std::string_view rule) const {
    if (alert_id.empty()) return std::nullopt;
    return AlertSummary{alert_id, std::string{rule}, AlertState::firing};
  }

  AlertMachine machine;
  std::string alert_id;  // of the firing alert, else empty
};

struct Monitor::Stream {
  // Keeps a reference to the rule, which is among the options.
  Stream(const MonitorOptions& options, const AlertRule& r, const Window::State& w = {})
      : rule{&r},
        window{options.window, options.confidence, w},
        rate{AlertMachine{{r.for_images, r.resolve_after, r.cooldown_images, r.cooldown_ms}}, {}},
        drift{AlertMachine{{0, r.resolve_after, r.cooldown_images, r.cooldown_ms}}, {}},
        worst{r.evidence, options.window} {
    if (options.window_seconds > 0) time_window.emplace(options.window_seconds, r.min_size, options.confidence);
  }

  void restart() {
    window.clear();
    if (time_window) time_window->clear();
    worst.clear();
    detector.reset();
    rate.machine.restart_window();
    drift.machine.restart_window();
  }

  const AlertRule* rule;  // by the name of the stream
  std::string reference;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  Window window;
  std::optional<TimeWindow> time_window;
  std::optional<EDetector> detector;  // from the first image on, whose reference tells its channels
  Watch rate;                         // by the window
  Watch drift;                        // by the detector
  WorstImages worst;
};

struct Monitor::State {
  // Without the rule the detector stands still; any limit will do.
  explicit State(const MonitorOptions& o)
      : options{&o}, limit{limit_for(o.run_length == 0 ? kMinRunLength : o.run_length)} {}

  static bool good_name(std::string_view name);
  Stream& stream_at(std::string_view name);
  Stream& find_or_create(std::string_view name, std::int64_t now_ms);
  void watch_rate(const std::string& name, Stream& stream, const ReferenceVersion& reference, Moment now);
  void prepare_detector(Stream& stream, const ReferenceVersion& reference) const;
  void watch_drift(const std::string& name, Stream& stream, std::span<const float> values, Moment now);
  Alert alert_now(const std::string& name, const Stream& stream, Moment now);
  void fire(Watch& watch, Alert alert);
  void resolve(Watch& watch, Moment now);
  [[nodiscard]] StreamSummary summary_of(const std::string& name, const Stream& stream, std::int64_t now_ms) const;
  void publish(const Alert& alert);
  void forget_old_alerts();
  Alert& alert_at(std::string_view id);
  const Alert* find(std::string_view id) const;
  std::string next_id(std::int64_t now_ms);
  [[nodiscard]] const AlertRule& rule_of(std::string_view stream) const;
  double false_alarms(const AlertRule& rule, const ReferenceVersion& reference);
  void restore_stream(const StreamState& saved);
  void restore_alert(const Alert& saved);
  bool restore_followed(const Alert& saved);  // false: it is of another rule
  void reset_followed(std::string_view stream, Moment now);

  const MonitorOptions* options;  // outlives the state
  double limit;                   // of the detectors
  std::map<std::string, Stream, std::less<>> streams;
  std::map<std::pair<std::string, std::string>, Watch> followed;  // by stream and rule
  std::deque<Alert> alerts;  // oldest first
  std::deque<Event> events;  // not yet delivered, oldest first
  bool delivering = false;
  std::uint64_t ids = 0;
  // The last bound computed: the same for all streams of a rule and reference, and not cheap.
  const AlertRule* bound_rule = nullptr;
  ReferenceVersion bound_reference;
  double bound = 1;
};

}  // namespace driftd::drift
