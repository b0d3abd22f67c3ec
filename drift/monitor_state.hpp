// What a Monitor guards with its lock: the streams, the alerts and the events that wait for delivery.
//
// Confined to one thread (the one that holds the lock). Internal to this library.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "drift/monitor.hpp"

namespace driftd::drift {

struct Monitor::Stream {
  Stream(const MonitorOptions& options, Window w)
      : window{std::move(w)}, machine{options.rule}, worst{options.rule.evidence, options.window} {}

  void restart_window() {
    window.clear();
    worst.clear();
    machine.restart_window();
  }

  std::string reference;
  std::int64_t first_ms = 0;
  std::int64_t last_ms = 0;
  std::int64_t silenced_until_ms = 0;
  Window window;
  AlertMachine machine;
  WorstImages worst;
  std::string alert_id;  // of the firing alert, else empty
};

struct Monitor::State {
  explicit State(const MonitorOptions& o) : options{&o} {}

  static bool good_name(std::string_view name);
  Stream& stream_at(std::string_view name);
  Stream& find_or_create(std::string_view name, std::int64_t now_ms);
  void fire(const std::string& name, Stream& stream, const ReferenceVersion& reference, const WindowSummary& window,
            std::int64_t now_ms);
  void resolve(Stream& stream, std::int64_t now_ms);
  void publish(const Alert& alert);
  void forget_old_alerts();
  Alert& alert_at(std::string_view id);
  const Alert* find(std::string_view id) const;
  std::string next_id(std::int64_t now_ms);
  double false_alarms(const ReferenceVersion& reference);
  void restore_stream(const StreamState& saved);
  void restore_alert(const Alert& saved);

  const MonitorOptions* options;  // outlives the state
  std::map<std::string, Stream, std::less<>> streams;
  std::deque<Alert> alerts;  // oldest first
  std::deque<Event> events;  // not yet delivered, oldest first
  bool delivering = false;
  std::uint64_t ids = 0;
  // The last bound computed: the same for all streams of a reference, and not cheap.
  ReferenceVersion bound_reference;
  double bound = 1;
};

}  // namespace driftd::drift
