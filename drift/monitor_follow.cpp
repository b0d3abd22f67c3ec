// Rules that are watched outside of the monitor: their alerts live here with the others.
#include <algorithm>

#include "core/error.hpp"
#include "drift/monitor_state.hpp"

namespace driftd::drift {
namespace {

// The watcher is its own patience: what it finds fires at once, and is over when it says so.
Watch fresh_watch() {
  return Watch{.machine = AlertMachine{Patience{}}, .alert_id = {}, .curve = {}};
}

}  // namespace

void Monitor::follow(std::string_view name, const FollowedRule& rule, std::int64_t now_ms) {
  if (std::ranges::find(options_.followed, rule.name) == options_.followed.end()) {
    throw Error{Errc::invalid_argument, "rule '" + rule.name + "' is not followed"};
  }
  state_->with([&](State& state) {
    const auto stream = state.streams.find(name);
    if (stream == state.streams.end()) return;
    auto& watch = state.followed.try_emplace({std::string{name}, rule.name}, fresh_watch()).first->second;
    const Moment now{now_ms, stream->second.window.summary().total};
    watch.curve.add(now, rule.value, rule.threshold);
    const auto transition = watch.machine.step(rule.condition, now);
    if (transition == AlertMachine::Transition::firing) {
      auto alert = state.alert_now(stream->first, stream->second, now);
      alert.rule = rule.name;
      alert.started = rule.since.image > 0 ? rule.since : now;
      alert.threshold = rule.threshold;
      alert.false_alarm_per_image = rule.false_alarm_per_image;
      state.fire(watch, std::move(alert));
    }
    if (transition == AlertMachine::Transition::resolved) state.resolve(watch, now);
  });
  deliver();
}

std::optional<AlertSummary> Monitor::followed_alert(std::string_view stream, std::string_view rule) const {
  return state_->with([&](const State& state) -> std::optional<AlertSummary> {
    const auto found = state.followed.find({std::string{stream}, std::string{rule}});
    if (found == state.followed.end() || found->second.alert_id.empty()) return std::nullopt;
    return AlertSummary{found->second.alert_id, std::string{rule}, AlertState::firing};
  });
}

bool Monitor::State::restore_followed(const Alert& saved) {
  if (std::ranges::find(options->followed, saved.rule) == options->followed.end()) return false;
  alerts.push_back(saved);
  if (saved.state != AlertState::firing) return true;
  auto& watch = followed.try_emplace({saved.stream, saved.rule}, fresh_watch()).first->second;
  watch.alert_id = saved.id;
  watch.machine.resume({AlertMachine::Phase::firing, saved.started, 0, {}});
  return true;
}

void Monitor::State::reset_followed(std::string_view stream, Moment now) {
  for (auto& [key, watch] : followed) {
    if (key.first != stream) continue;
    resolve(watch, now);
    watch.machine.resume({});
  }
}

}  // namespace driftd::drift
