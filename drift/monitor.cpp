#include "drift/monitor.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <utility>

#include "core/error.hpp"

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

namespace {

constexpr std::size_t kMaxName = 64;

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, name_character);
}

void check_name(std::string_view name) {
  if (good_name(name)) return;
  throw Error{Errc::invalid_argument, "a stream's name has 1 to 64 characters of A-Z a-z 0-9 . _ -"};
}

void check_result(const ReferenceVersion& reference, const Result& result) {
  if (!(reference.alpha > 0 && reference.alpha < 1) || reference.ranked == 0) {
    throw Error{Errc::invalid_argument, "a stream needs a calibrated reference and an alpha between 0 and 1"};
  }
  if (!std::isfinite(result.score) || !std::isfinite(result.distance) || !(result.p_value > 0 && result.p_value <= 1)) {
    throw Error{Errc::invalid_argument, "a result needs a finite score and distance, and a p-value in (0, 1]"};
  }
}

[[noreturn]] void no_alert(std::string_view id) {
  throw Error{Errc::not_found,
              "no alert '" + std::string{id.substr(0, kMaxName)} + "'; it may be older than the history"};
}

}  // namespace

Monitor::Stream& Monitor::State::stream_at(std::string_view name) {
  const auto found = streams.find(name);
  if (found == streams.end()) {
    throw Error{Errc::not_found, "no stream '" + std::string{name.substr(0, kMaxName)} + "' has sent an image"};
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
  if (found == alerts.end()) no_alert(id);
  return *found;
}

namespace {

StreamSummary summary_of(const std::string& name, const auto& stream) {
  StreamSummary summary{name, stream.reference, stream.window.summary(), stream.first_ms, stream.last_ms, false, {}};
  summary.pending = stream.machine.state().phase == AlertMachine::Phase::pending;
  if (!stream.alert_id.empty()) summary.alert = AlertSummary{stream.alert_id, AlertState::firing};
  return summary;
}

}  // namespace

Monitor::Monitor(MonitorOptions options, std::function<void(const Event&)> on_event)
    : options_{std::move(options)}, on_event_{std::move(on_event)} {
  (void)Window{options_.window, options_.confidence};
  check(options_.rule, options_.window);
  if (options_.max_streams < 1 || options_.max_alerts < 1) {
    throw Error{Errc::invalid_argument, "max_streams and max_alerts must be at least 1"};
  }
  state_ = std::make_unique<Guarded<State>>(State{options_});
}

Monitor::~Monitor() = default;

Observation Monitor::observe(std::string_view name, const ReferenceVersion& reference, Result result,
                             std::int64_t now_ms) {
  check_name(name);
  check_result(reference, result);
  bool news = false;
  auto observation = state_->with([&](State& state) {
    auto& stream = state.find_or_create(name, now_ms);
    if (stream.reference != reference.name) {
      stream.restart_window();
      stream.reference = reference.name;
    }
    stream.last_ms = now_ms;
    stream.window.push(result.ood);
    const auto window = stream.window.summary();
    if (result.ood) {
      stream.worst.add({std::move(result.request_id), window.total, result.score, result.p_value, result.distance,
                        std::move(result.neighbours)});
    }
    const auto transition = stream.machine.step(window, now_ms);
    if (transition == AlertMachine::Transition::firing)
      state.fire(std::string{name}, stream, reference, window, now_ms);
    if (transition == AlertMachine::Transition::resolved) state.resolve(stream, now_ms);
    news = !state.events.empty() && !state.delivering;
    Observation seen{window, {}};
    if (!stream.alert_id.empty()) seen.alert = AlertSummary{stream.alert_id, AlertState::firing};
    return seen;
  });
  if (news) deliver();
  return observation;
}

void Monitor::deliver() {
  const auto take = [this] {
    return state_->with([](State& state) -> std::optional<Event> {
      if (state.delivering || state.events.empty()) return std::nullopt;
      state.delivering = true;
      auto event = std::move(state.events.front());
      state.events.pop_front();
      return event;
    });
  };
  while (auto event = take()) {
    bool accepted = true;
    try {
      if (on_event_) on_event_(*event);
    } catch (...) {
      accepted = false;  // whatever it was, the event is kept and the image that brought us here was counted
    }
    state_->with([&](State& state) {
      state.delivering = false;
      if (!accepted) state.events.push_front(std::move(*event));
    });
    if (!accepted) return;
  }
}

std::vector<StreamSummary> Monitor::streams() const {
  return state_->with([](const State& state) {
    std::vector<StreamSummary> all;
    all.reserve(state.streams.size());
    for (const auto& [name, stream] : state.streams) all.push_back(summary_of(name, stream));
    return all;
  });
}

std::optional<StreamSummary> Monitor::stream(std::string_view name) const {
  return state_->with([&](const State& state) -> std::optional<StreamSummary> {
    const auto found = state.streams.find(name);
    if (found == state.streams.end()) return std::nullopt;
    return summary_of(found->first, found->second);
  });
}

std::vector<Alert> Monitor::alerts() const {
  return state_->with(
      [](const State& state) { return std::vector<Alert>{state.alerts.rbegin(), state.alerts.rend()}; });
}

std::optional<Alert> Monitor::alert(std::string_view id) const {
  return state_->with([&](const State& state) -> std::optional<Alert> {
    const auto* found = state.find(id);
    return found == nullptr ? std::nullopt : std::optional{*found};
  });
}

void Monitor::reset(std::string_view name, std::int64_t now_ms) {
  state_->with([&](State& state) {
    auto& stream = state.stream_at(name);
    stream.restart_window();
    stream.machine = AlertMachine{options_.rule};
    if (!stream.alert_id.empty()) state.resolve(stream, now_ms);
  });
  deliver();
}

Alert Monitor::acknowledge(std::string_view id, std::int64_t now_ms) {
  return state_->with([&](State& state) {
    auto& alert = state.alert_at(id);
    if (alert.acknowledged_ms == 0) alert.acknowledged_ms = now_ms;
    return alert;
  });
}

Alert Monitor::silence(std::string_view id, std::int64_t until_ms) {
  return state_->with([&](State& state) {
    auto& alert = state.alert_at(id);
    alert.silenced_until_ms = until_ms;
    if (const auto found = state.streams.find(alert.stream); found != state.streams.end()) {
      found->second.silenced_until_ms = until_ms;
    }
    return alert;
  });
}

MonitorState Monitor::snapshot() const {
  return state_->with([](const State& state) {
    MonitorState all;
    for (const auto& [name, stream] : state.streams) {
      all.streams.push_back({name, stream.reference, stream.first_ms, stream.last_ms, stream.silenced_until_ms,
                             stream.window.state(), stream.machine.state(), stream.alert_id,
                             stream.worst.candidates()});
    }
    all.alerts.assign(state.alerts.begin(), state.alerts.end());
    return all;
  });
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

void Monitor::restore(const MonitorState& saved) {
  state_->with([&](State& state) {
    for (const auto& stream : saved.streams) state.restore_stream(stream);
    for (const auto& alert : saved.alerts) {
      state.restore_alert(alert);
      state.forget_old_alerts();
    }
    state.ids = saved.alerts.size();
  });
}

}  // namespace driftd::drift
