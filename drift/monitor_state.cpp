#include "drift/monitor_state.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "drift/silence.hpp"

namespace driftd::drift {
namespace {

constexpr double kSmallestShare = 0.05;  // of the evidence, to be named in an alert

std::vector<Shift> shifts_of(const EDetector& detector) {
  std::vector<Shift> shifts;
  for (const auto& [channel, upper, share] : detector.shares()) {
    shifts.push_back({channel->name, upper, channel->recent_rank, share});
  }
  return shifts;
}

}  // namespace

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
  Stream stream{*options, rule_of(name)};
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

const AlertRule& Monitor::State::rule_of(std::string_view stream) const {
  const auto found = std::ranges::find_if(options->rules, [&](const auto& rule) { return matches(rule.streams, stream); });
  return found == options->rules.end() ? options->rule : found->rule;
}

double Monitor::State::false_alarms(const AlertRule& rule, const ReferenceVersion& reference) {
  if (&rule != bound_rule || reference.ranked != bound_reference.ranked || reference.alpha != bound_reference.alpha) {
    bound = false_alarm_bound(options->window, rule.min_size, rule.threshold, reference.alpha, reference.ranked,
                              options->confidence);
    bound_reference = reference;
    bound_rule = &rule;
  }
  return bound;
}

void Monitor::State::watch_rate(const std::string& name, Stream& stream, const ReferenceVersion& reference,
                                Moment now) {
  auto& watch = stream.rate;
  const auto& rule = *stream.rule;
  const auto transition = watch.machine.step(condition(rule, stream.window.summary()), now);
  if (transition == AlertMachine::Transition::firing) {
    auto alert = alert_now(name, stream, now);
    alert.rule = rule.name;
    alert.started = watch.machine.state().started;
    alert.threshold = rule.threshold;
    alert.false_alarm_per_image = false_alarms(rule, reference);
    fire(watch, std::move(alert));
  }
  if (transition == AlertMachine::Transition::resolved) resolve(watch, now);
}

void Monitor::State::prepare_detector(Stream& stream, const ReferenceVersion& reference) const {
  const auto channels = 1 + (reference.watched ? reference.watched->size() : 0);
  if (stream.detector && stream.detector->channels().size() == channels) return;
  std::vector<EDetector::Channel> all{score_channel(reference.ranked)};
  if (reference.watched) all.insert(all.end(), reference.watched->begin(), reference.watched->end());
  stream.detector.emplace(limit, std::move(all));
}

void Monitor::State::watch_drift(const std::string& name, Stream& stream, std::span<const float> values, Moment now) {
  auto& watch = stream.drift;
  auto& detector = *stream.detector;
  const bool drifting = !watch.alert_id.empty();
  detector.step(values, !drifting, now);
  const auto transition = watch.machine.step({detector.over(), detector.calm()}, now);
  if (transition == AlertMachine::Transition::firing) {
    auto alert = alert_now(name, stream, now);
    alert.rule = kDetectorRule;
    alert.started = detector.since();
    alert.threshold = detector.limit();
    alert.false_alarm_per_image = 1 / static_cast<double>(options->run_length);
    alert.moved = shifts_of(detector);
    std::erase_if(alert.moved, [](const Shift& shift) { return shift.share < kSmallestShare; });
    fire(watch, std::move(alert));
  }
  if (transition == AlertMachine::Transition::resolved) {
    resolve(watch, now);
    detector.restart(false);  // what is left of the old drift must not shorten the way to the next alarm
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
  summary.pending = stream.rate.machine.state().phase == AlertMachine::Phase::pending;
  summary.alert = stream.rate.firing(options->rule.name);
  if (stream.detector) {
    const auto& detector = *stream.detector;
    summary.detector = {detector.value(), detector.limit(), stream.drift.firing(kDetectorRule), detector.groups(),
                        shifts_of(detector)};
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
  if (old != alerts.end()) alerts.erase(old);  // firing ones stay: there are at most two per stream
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
  Stream stream{*options, rule_of(saved.name), saved.window};
  if (options->run_length > 0 && !saved.detector.empty()) stream.detector.emplace(limit, saved.detector);
  if (stream.time_window) stream.time_window->resume(saved.time_window);
  stream.reference = saved.reference;
  stream.first_ms = saved.first_ms;
  stream.last_ms = saved.last_ms;
  // Whether a rule fires, its alert tells.
  if (saved.rate.machine.phase != AlertMachine::Phase::firing) stream.rate.machine.resume(saved.rate.machine);
  for (const auto& candidate : saved.candidates) stream.worst.add(candidate);
  streams.insert_or_assign(saved.name, std::move(stream));
}

// Alerts are newer than windows: a firing one makes its stream firing, a resolved one outdates a window from before.
void Monitor::State::restore_alert(const Alert& saved) {
  alerts.push_back(saved);
  auto& alert = alerts.back();
  const bool firing = alert.state == AlertState::firing;
  const bool known = alert.rule == options->rule.name || (alert.rule == kDetectorRule && options->run_length > 0);
  auto found = streams.find(alert.stream);
  if (found == streams.end() && firing && known && good_name(alert.stream) && streams.size() < options->max_streams) {
    found = streams.emplace(alert.stream, Stream{*options, rule_of(alert.stream)}).first;
    found->second.first_ms = found->second.last_ms = alert.fired.at_ms;
    found->second.reference = alert.reference;
  }
  if (found == streams.end() || !known) {
    alert.state = AlertState::resolved;  // nobody follows that stream, or that rule, any more
    return;
  }
  auto& stream = found->second;
  auto& watch = alert.rule == kDetectorRule ? stream.drift : stream.rate;
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
