#include "api/alert_service.hpp"

#include <utility>
#include <vector>

#include "api/log.hpp"
#include "api/request_id.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

using drift::Alert;
using drift::AlertState;
using drift::HistoryEntry;

HistoryEntry entry(std::int64_t at_ms, std::string_view what, std::string note = {}) {
  return {at_ms, std::string{what}, "driftd", std::move(note)};
}

HistoryEntry entry(std::int64_t at_ms, std::string_view what, const Author& author, const std::string& prefix = {}) {
  const auto* separator = prefix.empty() || author.note.empty() ? "" : ": ";
  return {at_ms, std::string{what}, author.who, prefix + separator + author.note};
}

// Only the rates wait before they fire; what another rule says of the start is an estimate, not a transition.
std::vector<HistoryEntry> history_of_firing(const Alert& alert) {
  std::vector<HistoryEntry> history;
  const auto* kind = drift::detector_kind(alert.rule);
  if (kind != nullptr && !kind->has_run_length && alert.started.image < alert.fired.image) {
    history.push_back(entry(alert.started.at_ms, drift::kPending));
  }
  history.push_back(entry(alert.fired.at_ms, drift::kFiring));
  return history;
}

}  // namespace

AlertService::AlertService(const Notices& notices, drift::Store& store, RetrainService& retrain,
                           std::function<void()> kick)
    : notices_{notices}, kick_{std::move(kick)}, store_{store}, retrain_{retrain} {}

void AlertService::restore(const drift::Monitor& monitor) {
  const auto last = store_.last_notified();
  const std::scoped_lock lock{mutex_};
  for (const auto& alert : monitor.alerts()) {
    if (alert.state != AlertState::firing) continue;
    const auto found = last.find(alert.id);
    told_[alert.id] = found == last.end() ? 0 : found->second;
  }
}

void AlertService::on_event(const drift::Monitor& monitor, Alert alert, std::int64_t now) {
  const std::scoped_lock lock{mutex_};
  // The event may have waited: who acknowledged in the meantime must not be forgotten.
  if (const auto current = monitor.alert(alert.id)) alert.acknowledged_ms = current->acknowledged_ms;
  log(LogLevel::warn, "alert " + std::string{drift::name_of(alert.state)},
      {{"alert", alert.id}, {"rule", alert.rule}, {"stream", alert.stream}, {"ood_rate", alert.rate}});
  if (alert.state == AlertState::resolved) {
    drift::News news{.history = {entry(alert.resolved.at_ms, drift::kResolved)}};
    const auto told = told_.find(alert.id);
    if (told != told_.end() && told->second > 0) news.notices = notices_.of(alert, now);
    save(alert, std::move(news), now);
    told_.erase(alert.id);
    return;
  }
  drift::News news{.history = history_of_firing(alert)};
  if (const auto until = drift::silenced_until(store_.silences(), alert.stream, now); until > 0) {
    news.history.push_back(entry(now, drift::kMuted, "silenced until " + rfc3339(until)));
    save(alert, std::move(news), now);
    told_[alert.id] = 0;
    return;
  }
  tell(alert, std::move(news), true, now);
}

void AlertService::tick(const drift::Monitor& monitor, std::int64_t now) {
  const std::scoped_lock lock{mutex_};
  if (told_.empty()) return;
  const auto silences = store_.silences();
  for (const auto& [id, told_ms] : std::vector(told_.begin(), told_.end())) {
    const bool due = told_ms == 0 || (notices_.repeat_ms() > 0 && now - told_ms >= notices_.repeat_ms());
    const auto alert = due ? monitor.alert(id) : std::nullopt;
    if (!alert || alert->state != AlertState::firing || alert->acknowledged_ms > 0) continue;
    if (drift::silenced_until(silences, alert->stream, now) == 0) tell(*alert, {}, told_ms == 0, now);
  }
}

// Queues the notices of a firing alert; the first time with the request to retrain.
void AlertService::tell(const Alert& alert, drift::News news, bool first, std::int64_t now) {
  auto notices = notices_.of(alert, now);
  if (!notices.empty()) {
    news.history.push_back(entry(now, drift::kNotified,
                                 std::to_string(notices.size()) + (notices.size() == 1 ? " webhook" : " webhooks")));
  }
  const auto save_with = [&](drift::News more) {
    news.retrain = std::move(more.retrain);
    news.retrain_history = std::move(more.retrain_history);
    news.notices = std::move(notices);
    news.notices.insert(news.notices.end(), more.notices.begin(), more.notices.end());
    save(alert, std::move(news), now);
  };
  first ? retrain_.raise(alert, now, save_with) : save_with({});
  told_[alert.id] = now;
}

void AlertService::save(const Alert& alert, drift::News news, std::int64_t now) {
  try {
    store_.save_alert(alert, news, now);
  } catch (const Error& error) {
    if (error.code() != Errc::overloaded && error.code() != Errc::too_large) throw;
    log(LogLevel::error, "the alert is kept, but its webhooks are not sent",
        {{"alert", alert.id}, {"reason", error.what()}});
    news.notices.clear();
    std::erase_if(news.history, [](const HistoryEntry& e) { return e.what == drift::kNotified; });
    news.history.push_back(entry(now, drift::kUndelivered, "the outbox is full"));
    store_.save_alert(alert, news, now);
  }
  if (!news.notices.empty()) kick_();
}

void AlertService::note(const drift::Monitor& monitor, std::string_view id, std::string_view what, const Author& author,
                        const std::string& text, std::int64_t now) {
  const std::scoped_lock lock{mutex_};
  const auto alert = monitor.alert(id);  // as it is now: it may have been resolved meanwhile
  if (alert) store_.save_alert(*alert, {.history = {entry(now, what, author, text)}}, now);
}

Alert AlertService::acknowledge(drift::Monitor& monitor, std::string_view id, const Author& author, std::int64_t now) {
  const std::scoped_lock lock{mutex_};
  auto alert = monitor.acknowledge(id, now);
  store_.save_alert(alert, {.history = {entry(now, drift::kAcknowledged, author)}}, now);
  return alert;
}

void AlertService::silence(const Alert& alert, std::int64_t until_ms, const Author& author, std::int64_t now) {
  const std::scoped_lock lock{mutex_};
  store_.save_silence({new_request_id(), alert.stream, now, until_ms, author.who, author.note}, alert.id,
                      entry(now, drift::kSilenced, author, "until " + rfc3339(until_ms)));
}

void AlertService::unsilence(const Alert& alert, const Author& author, std::int64_t now) {
  const std::scoped_lock lock{mutex_};
  std::vector<std::string> ids;
  for (const auto& silence : store_.silences()) {
    if (silence.streams == alert.stream && silence.until_ms > now) ids.push_back(silence.id);
  }
  if (!ids.empty()) store_.remove_silences(ids, alert.id, entry(now, drift::kUnsilenced, author));
}

}  // namespace driftd::api
