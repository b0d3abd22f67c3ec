#include "api/retrain_service.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "api/command_runner.hpp"
#include "api/log.hpp"
#include "api/messages/retrain.hpp"
#include "api/time.hpp"
#include "api/utf8.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

namespace driftd::api {
namespace {

using drift::RetrainRequest;
using drift::RetrainStatus;

constexpr const char* kUs = "driftd";

std::string text_of(RetrainStatus status) {
  return std::string{drift::name_of(status)};
}

RetrainRequest first_request(const drift::Alert& alert, bool accepted, std::int64_t now_ms) {
  RetrainRequest request;
  request.id = drift::retrain_key(alert.reference, alert.id);
  request.reference = alert.reference;
  request.status = accepted ? RetrainStatus::accepted : RetrainStatus::requested;
  request.created_ms = request.updated_ms = now_ms;
  (void)join(request, alert.id, alert.stream);
  return request;
}

}  // namespace

RetrainService::RetrainService(RetrainConfig config, const Notices& notices, drift::Store& store, Metrics& metrics)
    : config_{std::move(config)}, notices_{notices}, store_{store}, metrics_{metrics} {
  if (config_.command.empty()) return;
  note_interrupted();
  runner_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

RetrainService::~RetrainService() = default;

void RetrainService::raise(const drift::Alert& alert, std::int64_t now, const std::function<void(drift::News)>& save) {
  if (config_.mode == "off") return save({});
  const std::scoped_lock lock{mutex_};
  drift::News news;
  const auto all = store_.retrains();
  const bool known =
      std::ranges::any_of(all, [&](const auto& r) { return std::ranges::find(r.alerts, alert.id) != r.alerts.end(); });
  if (known) return save({});
  const auto open =
      std::ranges::find_if(all, [&](const auto& r) { return is_open(r.status) && r.reference == alert.reference; });
  if (open != all.end()) {
    auto request = *open;
    if (!join(request, alert.id, alert.stream)) return save({});
    request.updated_ms = now;
    news.retrain_history = {{now, "joined", kUs, "alert " + alert.id + " on stream " + alert.stream}};
    news.retrain = std::move(request);
    save(std::move(news));
    return metrics_.retrain("joined");
  }
  const bool automatic = config_.mode == "auto";
  auto request = first_request(alert, automatic, now);
  news.retrain_history = {{now, "requested", kUs, "alert " + alert.id + " on stream " + alert.stream}};
  if (automatic) news.retrain_history.push_back({now, "accepted", kUs, "retrain.mode is auto"});
  news.notices = notices_.of(request, now);
  news.retrain = std::move(request);
  save(std::move(news));
  metrics_.retrain("requested");
  if (automatic) metrics_.retrain("accepted");
  look_ = true;
  wake_.notify_all();
}

RetrainRequest RetrainService::change(std::string_view id, const RetrainChange& change, std::int64_t now) {
  const std::scoped_lock lock{mutex_};
  const auto found = store_.retrain(id);
  if (!found) throw Error{Errc::not_found, "there is no such retrain request"};
  auto request = *found;
  const bool moves = change.status && *change.status != request.status;
  if (moves && !may_follow(request.status, *change.status)) {
    throw Error{Errc::conflict, "a request that is " + text_of(request.status) + " cannot become " +
                                    text_of(*change.status) +
                                    "; the way is requested, accepted, training, ready, activated"};
  }
  if (moves) request.status = *change.status;
  if (change.reference_version) request.reference_version = *change.reference_version;
  const bool noted = !change.note.empty() || request.reference_version != found->reference_version;
  if (!moves && !noted) return request;
  request.updated_ms = now;
  store_.save_retrain(request, {.history = {{now, moves ? text_of(request.status) : "note", change.who, change.note}}},
                      now);
  if (moves) metrics_.retrain(drift::name_of(request.status));
  look_ = true;
  wake_.notify_all();
  return request;
}

void RetrainService::tried(std::string_view id, const drift::RetrainTrial& trial, const std::string& note,
                           bool activated) {
  const std::scoped_lock lock{mutex_};
  auto request = store_.retrain(id);
  if (!request || request->status != RetrainStatus::ready || request->reference_version != trial.version) return;
  request->trial = trial;
  request->updated_ms = trial.at_ms;
  std::vector<drift::HistoryEntry> history{{trial.at_ms, "tried", kUs, note}};
  if (activated) {
    request->status = RetrainStatus::activated;
    history.push_back({now_ms(), "activated", kUs, "retrain.activate is shadow, and the trial was passed"});
  }
  store_.save_retrain(*request, {.history = std::move(history)}, trial.at_ms);
  if (activated) metrics_.retrain("activated");
  log(LogLevel::info, activated ? "a retrained version went live" : "a retrained version was tried and not activated",
      {{"retrain", request->id}, {"trial", note}});
}

// --- The command ---

void RetrainService::run(const std::stop_token& stop) {
  name_thread("retrain");
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, stop, [this] { return look_; });
      look_ = false;
    }
    try {
      while (!stop.stop_requested()) {
        const auto request = begin_next();
        if (!request) break;
        const auto input = boost::json::serialize(
            boost::json::object{{"version", 1}, {"event", kRetrainRequested}, {"retrain", to_json(*request)}});
        auto result = run_command(config_.command, input + "\n", std::chrono::seconds{config_.command_timeout_s}, stop);
        std::string why = "exit " + std::to_string(result.exit_code);
        if (result.timed_out)
          why = "ended after retrain.command_timeout_s";
        else if (stop.stop_requested() && result.exit_code != 0)
          why = "ended because driftd stopped";
        end(request->id, result.exit_code, std::move(result.output), why);
      }
    } catch (const std::exception& error) {
      log(LogLevel::error, "a retrain command could not be run, or its end not be written; will look again",
          {{"reason", error.what()}});
      std::unique_lock lock{mutex_};
      wake_.wait_for(lock, stop, std::chrono::seconds{5}, [] { return false; });
      look_ = true;
    }
  }
}

// The oldest accepted request whose command has not run, marked as begun.
std::optional<RetrainRequest> RetrainService::begin_next() {
  const std::scoped_lock lock{mutex_};
  const auto all = store_.retrains();
  const auto next = std::find_if(all.rbegin(), all.rend(), [](const auto& r) {
    return r.status == RetrainStatus::accepted && r.command_started_ms == 0;
  });
  if (next == all.rend()) return std::nullopt;
  auto request = *next;
  const auto now = now_ms();
  request.status = RetrainStatus::training;
  request.command_started_ms = request.updated_ms = now;
  store_.save_retrain(request, {.history = {{now, "training", kUs, "retrain.command began"}}}, now);
  metrics_.retrain("training");
  return request;
}

void RetrainService::end(const std::string& id, int exit_code, std::string output, const std::string& why) {
  const std::scoped_lock lock{mutex_};
  auto request = store_.retrain(id);
  if (!request) return;
  const auto now = now_ms();
  request->exit_code = exit_code;
  request->output = clean_utf8(output, 4096);
  request->updated_ms = now;
  const bool failed = exit_code != 0 && may_follow(request->status, RetrainStatus::failed);
  if (failed) request->status = RetrainStatus::failed;
  store_.save_retrain(*request, {.history = {{now, failed ? "failed" : "command", kUs, "retrain.command: " + why}}},
                      now);
  if (failed) metrics_.retrain("failed");
  log(failed ? LogLevel::error : LogLevel::info, "retrain command ended",
      {{"retrain", id}, {"exit_code", std::int64_t{exit_code}}, {"how", why}});
}

// A command that ran when the process was killed: nobody knows how it ended, and it is not begun again.
void RetrainService::note_interrupted() {
  const auto now = now_ms();
  for (auto request : store_.retrains()) {
    if (request.command_started_ms == 0 || request.exit_code || !request.output.empty() || !is_open(request.status))
      continue;
    request.output = "(driftd was killed while the command ran; how it ended is not known)";
    store_.save_retrain(
        request, {.history = {{now, "command", kUs, "driftd was killed while it ran; how it ended is not known"}}},
        now);
  }
}

}  // namespace driftd::api
