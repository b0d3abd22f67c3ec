#include "drift/monitor.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"
#include "drift/monitor_state.hpp"
#include "drift/silence.hpp"

namespace driftd::drift {
namespace {

[[noreturn]] void bad_name() {
  throw Error{Errc::invalid_argument, "a stream's name has 1 to 64 characters of A-Z a-z 0-9 . _ -"};
}

void check_result(const ReferenceVersion& reference, const Result& result) {
  if (!(reference.alpha > 0 && reference.alpha < 1) || reference.ranked == 0) {
    throw Error{Errc::invalid_argument, "a stream needs a calibrated reference and an alpha between 0 and 1"};
  }
  if (!std::isfinite(result.score) || !std::isfinite(result.distance) || !(result.p_value > 0 && result.p_value <= 1) ||
      !std::ranges::all_of(result.neighbours, [](const NearImage& near) { return std::isfinite(near.distance); })) {
    throw Error{Errc::invalid_argument, "a result needs a finite score, finite distances, and a p-value in (0, 1]"};
  }
}

}  // namespace

const DetectorSummary* StreamSummary::detector(std::string_view rule) const {
  const auto found = std::ranges::find(detectors, rule, &DetectorSummary::name);
  return found == detectors.end() ? nullptr : &*found;
}

bool StreamSummary::pending() const {
  return std::ranges::any_of(detectors, &DetectorSummary::pending);
}

std::optional<AlertSummary> StreamSummary::most_urgent() const {
  for (const auto& detector : detectors) {
    if (detector.alert) return detector.alert;
  }
  return std::nullopt;
}

Monitor::Monitor(MonitorOptions options, std::function<void(const Event&)> on_event)
    : options_{std::move(options)}, on_event_{std::move(on_event)} {
  if (options_.max_streams < 1 || options_.max_alerts < 1) {
    throw Error{Errc::invalid_argument, "max_streams and max_alerts must be at least 1"};
  }
  state_ = std::make_unique<Guarded<State>>(State{options_});
  state_->with([&](const State& state) {
    for (const auto& plan : state.plans)
      (void)Stream{options_, plan};  // whose windows and detectors check their options
  });
}

Monitor::~Monitor() = default;

Observation Monitor::observe(std::string_view name, const ReferenceVersion& reference, Result result,
                             std::int64_t now_ms) {
  if (!State::good_name(name)) bad_name();
  check_result(reference, result);
  bool news = false;
  auto observation = state_->with([&](State& state) {
    auto& stream = state.find_or_create(name, now_ms);
    if (stream.reference != reference.name) {
      stream.restart();
      stream.reference = reference.name;
    }
    stream.last_ms = now_ms;
    stream.window.push(result.ood);
    if (stream.time_window) stream.time_window->push(result.ood, now_ms);
    const auto window = stream.window.summary();
    const Moment now{now_ms, window.total};
    auto values = std::move(result.watched);
    values.insert(values.begin(), score_rank(result.p_value, reference.ranked));
    if (result.ood) {
      stream.worst.add({std::move(result.request_id), now.image, result.score, result.p_value, result.distance,
                        std::move(result.neighbours)});
    }
    state.watch(std::string{name}, stream,
                {reference, result.ood, values, window, stream.time_window ? &*stream.time_window : nullptr, now});
    news = !state.events.empty() && !state.delivering;
    return Observation{window, stream.most_urgent()};
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

std::vector<StreamSummary> Monitor::streams(std::int64_t now_ms) const {
  return state_->with([&](const State& state) {
    std::vector<StreamSummary> all;
    all.reserve(state.streams.size());
    for (const auto& [name, stream] : state.streams) all.push_back(state.summary_of(name, stream, now_ms));
    return all;
  });
}

std::optional<StreamSummary> Monitor::stream(std::string_view name, std::int64_t now_ms) const {
  return state_->with([&](const State& state) -> std::optional<StreamSummary> {
    const auto found = state.streams.find(name);
    if (found == state.streams.end()) return std::nullopt;
    return state.summary_of(found->first, found->second, now_ms);
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
    const Moment now{now_ms, stream.window.summary().total};
    stream.restart();
    for (auto& rule : stream.rules) {
      state.resolve(rule, now);
      rule.machine.resume({});
    }
    state.reset_followed(name, now);
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

MonitorState Monitor::snapshot() const {
  return state_->with([](const State& state) {
    MonitorState all;
    for (const auto& [name, stream] : state.streams) {
      all.streams.push_back({name, stream.reference, stream.first_ms, stream.last_ms, stream.window.state(),
                             stream.time_window ? stream.time_window->state() : TimeWindow::State{},
                             stream.rule_states(), stream.worst.candidates()});
    }
    all.alerts.assign(state.alerts.begin(), state.alerts.end());
    return all;
  });
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
