#include "drift/monitor_state.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "drift/silence.hpp"

namespace driftd::drift {
namespace {

WatchPlan plan(std::string streams, const AlertRule& rule, std::size_t run_length,
               const std::vector<std::string>& detectors) {
  WatchPlan plan{std::move(streams), rule, run_length, {}};
  for (const auto& name : detectors) {
    const auto* kind = detector_kind(name);
    if (kind == nullptr || std::ranges::count(detectors, name) > 1) {
      throw Error{Errc::invalid_argument, "detectors: '" + name.substr(0, 64) +
                                              "' is no detector, or listed twice; there are " + detector_names()};
    }
    if (run_length > 0 || !kind->has_run_length) plan.detectors.push_back(kind);
  }
  return plan;
}

}  // namespace

Monitor::Stream::Stream(const MonitorOptions& options, const WatchPlan& plan, const Window::State& w)
    : window{options.window, options.confidence, w}, worst{plan.rule.evidence, options.window} {
  const auto& r = plan.rule;
  if (options.window_seconds > 0) time_window.emplace(options.window_seconds, r.min_size, options.confidence);
  for (const auto* kind : plan.detectors) {
    if (kind->by_time && options.window_seconds == 0) {
      throw Error{Errc::invalid_argument,
                  "detectors: " + std::string{kind->name} + " needs a window by time (window_seconds)"};
    }
    rules.push_back(
        {std::string{kind->name},
         make_detector(*kind, {r, options.window, options.window_seconds, options.confidence, plan.run_length}),
         AlertMachine{{kind->has_run_length ? 0 : r.for_images, r.resolve_after, r.cooldown_images, r.cooldown_ms}},
         {},
         {}});
  }
}

void Monitor::Stream::restart() {
  window.clear();
  if (time_window) time_window->clear();
  worst.clear();
  for (auto& rule : rules) {
    rule.detector->clear();
    rule.curve.clear();
    rule.machine.restart_window();
  }
}

Watch* Monitor::Stream::rule(std::string_view name) {
  const auto found = std::ranges::find(rules, name, &Watch::name);
  return found == rules.end() ? nullptr : &*found;
}

std::optional<AlertSummary> Monitor::Stream::most_urgent() const {
  for (const auto& rule : rules) {
    if (auto alert = rule.firing()) return alert;
  }
  return std::nullopt;
}

std::vector<RuleState> Monitor::Stream::rule_states() const {
  std::vector<RuleState> states;
  for (const auto& rule : rules) states.push_back(rule.state());
  return states;
}

Monitor::State::State(const MonitorOptions& o) : options{&o} {
  for (const auto& [pattern, rule, run_length, detectors] : o.rules) {
    if (!is_stream_pattern(pattern)) {
      throw Error{
          Errc::invalid_argument,
          "alert rule: \"" + pattern + "\" must be a pattern of stream names (1 to 64 of A-Z a-z 0-9 . _ - * ?)"};
    }
    plans.push_back(plan(pattern, rule, run_length.value_or(o.run_length), detectors.value_or(o.detectors)));
  }
  plans.push_back(plan("*", o.rule, o.run_length, o.detectors));
  for (const auto& watch : plans) check(watch.rule, o.window);
}

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
  Stream stream{*options, plan_of(name)};
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

const WatchPlan& Monitor::State::plan_of(std::string_view stream) const {
  return *std::ranges::find_if(plans, [&](const auto& plan) { return matches(plan.streams, stream); });
}

void Monitor::State::watch(const std::string& name, Stream& stream, const Seen& seen) {
  for (auto& rule : stream.rules) {
    const auto found = rule.detector->step(seen, rule.alert_id.empty());
    const auto level = rule.detector->level();
    rule.curve.add(seen.now, level.value, level.limit);
    const auto transition = rule.machine.step(found, seen.now);
    if (transition == AlertMachine::Transition::firing) {
      auto alert = alert_now(name, stream, seen.now);
      alert.rule = rule.name;
      alert.started = rule.machine.state().started;
      rule.detector->describe(alert, seen);
      fire(rule, std::move(alert));
    }
    if (transition == AlertMachine::Transition::resolved) {
      resolve(rule, seen.now);
      rule.detector->resolved();
    }
  }
}

// A firing alert but for what only its rule knows.
Alert Monitor::State::alert_now(const std::string& name, const Stream& stream, Moment now) {
  const auto window = stream.window.summary();
  Alert alert;
  alert.id = next_id(now.at_ms);
  alert.stream = name;
  alert.reference = stream.reference;
  alert.state = AlertState::firing;
  alert.fired = now;
  alert.rate = window.ood_rate;
  alert.lower = window.lower;
  alert.upper = window.upper;
  alert.window = window.size;
  alert.evidence = stream.worst.worst(window.total);
  return alert;
}

void Monitor::State::fire(Watch& watch, Alert alert) {
  alert.curve = watch.curve.since(first_shown(alert.started, alert.fired, options->window));
  watch.alert_id = alert.id;
  publish(alert);
  alerts.push_back(std::move(alert));
  forget_old_alerts();
}

void Monitor::State::resolve(Watch& watch, Moment now) {
  const auto id = std::exchange(watch.alert_id, {});
  if (find(id) == nullptr) return;
  auto& alert = alert_at(id);
  alert.state = AlertState::resolved;
  alert.resolved = now;
  publish(alert);
}

StreamSummary Monitor::State::summary_of(const std::string& name, const Stream& stream, std::int64_t now_ms) const {
  StreamSummary summary;
  summary.name = name;
  summary.reference = stream.reference;
  summary.window = stream.window.summary();
  if (stream.time_window) summary.time_window = stream.time_window->summary(std::max(now_ms, stream.last_ms));
  summary.first_ms = stream.first_ms;
  summary.last_ms = stream.last_ms;
  for (const auto& rule : stream.rules) {
    summary.detectors.push_back({rule.name, rule.detector->reading(),
                                 rule.machine.state().phase == AlertMachine::Phase::pending, rule.firing()});
  }
  return summary;
}

void Monitor::State::publish(const Alert& alert) {
  // Only a receiver that has refused for a very long time lets the line grow; then the newest news counts.
  if (events.size() >= std::max(options->max_alerts, 2 * options->max_streams)) events.pop_front();
  events.push_back({alert});
}

void Monitor::State::forget_old_alerts() {
  if (alerts.size() <= options->max_alerts) return;
  const auto old = std::ranges::find(alerts, AlertState::resolved, &Alert::state);
  if (old != alerts.end()) alerts.erase(old);  // firing ones stay: there is at most one for each rule of a stream
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
  Stream stream{*options, plan_of(saved.name), saved.window};
  if (stream.time_window) stream.time_window->resume(saved.time_window);
  stream.reference = saved.reference;
  stream.first_ms = saved.first_ms;
  stream.last_ms = saved.last_ms;
  for (const auto& [name, watch, detector, curve] : saved.rules) {
    auto* rule = stream.rule(name);
    if (rule == nullptr) continue;  // it watches no more
    rule->detector->resume(detector);
    rule->curve.resume(curve);
    // Whether a rule fires, its alert tells.
    if (watch.machine.phase != AlertMachine::Phase::firing) rule->machine.resume(watch.machine);
  }
  for (const auto& candidate : saved.candidates) stream.worst.add(candidate);
  streams.insert_or_assign(saved.name, std::move(stream));
}

// Alerts are newer than windows: a firing one makes its stream firing, a resolved one outdates a window from before.
void Monitor::State::restore_alert(const Alert& saved) {
  if (restore_followed(saved)) return;
  alerts.push_back(saved);
  auto& alert = alerts.back();
  const bool firing = alert.state == AlertState::firing;
  const bool watched =
      good_name(alert.stream) &&
      std::ranges::any_of(plan_of(alert.stream).detectors, [&](const auto* kind) { return kind->name == alert.rule; });
  auto found = streams.find(alert.stream);
  if (found == streams.end() && firing && watched && streams.size() < options->max_streams) {
    found = streams.emplace(alert.stream, Stream{*options, plan_of(alert.stream)}).first;
    found->second.first_ms = found->second.last_ms = alert.fired.at_ms;
    found->second.reference = alert.reference;
  }
  if (found == streams.end() || !watched) {
    alert.state = AlertState::resolved;  // nobody follows that stream, or that rule, any more
    return;
  }
  auto& stream = found->second;
  auto& watch = *stream.rule(alert.rule);
  if (firing && !watch.alert_id.empty()) {
    alert.state = AlertState::resolved;  // the rule fires for another alert
  } else if (firing) {
    watch.alert_id = alert.id;
    watch.machine.resume({AlertMachine::Phase::firing, alert.started, 0, {}});
  } else {
    watch.machine.cool_down_from(alert.resolved);
    if (alert.resolved.image > stream.window.summary().total) stream.restart();
  }
}

}  // namespace driftd::drift
