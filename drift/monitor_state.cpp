#include "drift/monitor_state.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace driftd::drift {

bool Monitor::State::good_name(std::string_view name) {
  constexpr std::size_t kMaxName = 64;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, allowed);
}

Monitor::Stream& Monitor::State::stream_at(std::string_view name) {
  const auto found = streams.find(name);
  if (found == streams.end()) {
    throw Error{Errc::not_found, "no stream '" + std::string{name.substr(0, 64)} + "' has sent an image"};
  }
  return found->second;
}

Monitor::Stream& Monitor::State::find_or_create(std::string_view name, std::int64_t now_ms) {
  if (const auto found = streams.find(name); found != streams.end()) return found->second;
  if (streams.size() >= options->max_streams) {
    throw Error{Errc::overloaded, "stream '" + std::string{name} + "' would be one more than the limit of " +
                                      std::to_string(options->max_streams) +
                                      " streams (max_streams); raise it or use fewer names"};
  }
  Stream stream{*options, Window{options->window, options->confidence}};
  stream.first_ms = now_ms;
  return streams.emplace(name, std::move(stream)).first->second;
}

std::string Monitor::State::next_id(std::int64_t now_ms) {
  if (options->new_id) return options->new_id();
  std::string id;
  do {
    const auto counter = std::to_string(++ids);
    id = "alert-" + std::to_string(now_ms) + "-" + std::string(6 - std::min<std::size_t>(6, counter.size()), '0') +
         counter;
  } while (find(id) != nullptr);
  return id;
}

double Monitor::State::false_alarms(const ReferenceVersion& reference) {
  if (reference.ranked != bound_reference.ranked || reference.alpha != bound_reference.alpha) {
    bound = false_alarm_bound(options->window, options->rule.min_size, options->rule.threshold, reference.alpha,
                              reference.ranked, options->confidence);
    bound_reference = reference;
  }
  return bound;
}

void Monitor::State::fire(const std::string& name, Stream& stream, const ReferenceVersion& reference,
                          const WindowSummary& window, std::int64_t now_ms) {
  const auto& rule = options->rule;
  Alert alert;
  alert.id = next_id(now_ms);
  alert.stream = name;
  alert.reference = reference.name;
  alert.rule = rule.name;
  alert.state = AlertState::firing;
  alert.started = stream.machine.state().started;
  alert.fired = {now_ms, window.total};
  alert.rate = window.ood_rate;
  alert.lower = window.lower;
  alert.upper = window.upper;
  alert.window = window.size;
  alert.threshold = rule.threshold;
  alert.false_alarm_per_image = false_alarms(reference);
  alert.silenced_until_ms = stream.silenced_until_ms > now_ms ? stream.silenced_until_ms : 0;
  alert.evidence = stream.worst.worst(window.total);
  stream.alert_id = alert.id;
  publish(alert);
  alerts.push_back(std::move(alert));
  forget_old_alerts();
}

void Monitor::State::resolve(Stream& stream, std::int64_t now_ms) {
  const auto id = std::exchange(stream.alert_id, {});
  if (find(id) == nullptr) return;
  auto& alert = alert_at(id);
  alert.state = AlertState::resolved;
  alert.resolved = {now_ms, stream.window.summary().total};
  publish(alert);
}

void Monitor::State::publish(const Alert& alert) {
  // Only a receiver that has refused for a very long time lets the line grow; then the newest news counts.
  if (events.size() >= std::max(options->max_alerts, options->max_streams)) events.pop_front();
  events.push_back({alert});
}

void Monitor::State::forget_old_alerts() {
  if (alerts.size() <= options->max_alerts) return;
  const auto old = std::ranges::find(alerts, AlertState::resolved, &Alert::state);
  if (old != alerts.end()) alerts.erase(old);  // firing ones stay: there is at most one per stream
}

const Alert* Monitor::State::find(std::string_view id) const {
  const auto found = std::ranges::find(alerts, id, &Alert::id);
  return found == alerts.end() ? nullptr : &*found;
}

Alert& Monitor::State::alert_at(std::string_view id) {
  const auto found = std::ranges::find(alerts, id, &Alert::id);
  if (found == alerts.end()) {
    throw Error{Errc::not_found, "no alert '" + std::string{id.substr(0, 64)} + "'; it may be older than the history"};
  }
  return *found;
}

void Monitor::State::restore_stream(const StreamState& saved) {
  if (!good_name(saved.name) || streams.size() >= options->max_streams) return;
  Stream stream{*options, Window{options->window, options->confidence, saved.window}};
  stream.reference = saved.reference;
  stream.first_ms = saved.first_ms;
  stream.last_ms = saved.last_ms;
  stream.silenced_until_ms = saved.silenced_until_ms;
  stream.machine = AlertMachine{options->rule, saved.machine};
  if (saved.machine.phase == AlertMachine::Phase::firing) stream.machine = AlertMachine{options->rule};
  for (const auto& candidate : saved.candidates) stream.worst.add(candidate);
  streams.insert_or_assign(saved.name, std::move(stream));
}

// Alerts are newer than windows: a firing one makes its stream firing, a resolved one outdates a window from before.
void Monitor::State::restore_alert(const Alert& saved) {
  alerts.push_back(saved);
  auto& alert = alerts.back();
  const bool firing = alert.state == AlertState::firing;
  auto found = streams.find(alert.stream);
  if (found == streams.end() && firing && good_name(alert.stream) && streams.size() < options->max_streams) {
    found = streams.emplace(alert.stream, Stream{*options, Window{options->window, options->confidence}}).first;
    found->second.first_ms = found->second.last_ms = alert.fired.at_ms;
    found->second.reference = alert.reference;
  }
  if (found == streams.end() || (firing && !found->second.alert_id.empty())) {
    alert.state = AlertState::resolved;  // a stream that no longer exists, or fires for another alert
    return;
  }
  auto& stream = found->second;
  if (firing) {
    stream.alert_id = alert.id;
    stream.machine = AlertMachine{options->rule, {AlertMachine::Phase::firing, alert.started, 0}};
  } else if (alert.resolved.image > stream.window.summary().total) {
    stream.restart_window();
  }
}

}  // namespace driftd::drift
