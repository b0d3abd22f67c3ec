#include "api/retrain_trials.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "api/log.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"
#include "drift/statistics.hpp"

namespace driftd::api {
namespace {

using drift::RetrainRequest;
using drift::RetrainStatus;

// Of the version that is reported now.
const drift::RetrainTrial* last_trial(const RetrainRequest& request) {
  return request.trial && request.trial->version == request.reference_version ? &*request.trial : nullptr;
}

bool awaits_trial(const RetrainRequest& request) {
  const auto* last = last_trial(request);
  return request.status == RetrainStatus::ready && request.reference_version > 0 && !(last != nullptr && last->passed);
}

std::string note_of(const ShadowReport& report, bool passed) {
  const auto images = report.total.images;
  const auto bounds = drift::wilson(report.total.candidate.ood, images);
  std::array<char, 200> text{};
  std::snprintf(
      text.data(), text.size(),
      "%zu of %zu recent images out of distribution, 95%% bounds %.3f to %.3f, against %zu by the live version: %s",
      report.total.candidate.ood, images, bounds.lower, bounds.upper, report.total.live.ood,
      passed ? "passed" : "not passed");
  return report.candidate + ": " + text.data();
}

}  // namespace

bool passes(const RetrainConfig& config, const ShadowReport& report) {
  const auto fires = [](const ShadowStream& stream) {
    const auto& verdicts = stream.candidate.verdicts;
    return std::ranges::any_of(verdicts,
                               [](const auto& verdict) { return verdict.rule == drift::kRateRule && verdict.fired; });
  };
  return report.total.images >= config.activate_min_images &&
         drift::wilson(report.total.candidate.ood, report.total.images).upper <= config.activate_below &&
         std::ranges::none_of(report.streams, fires);
}

RetrainTrials::RetrainTrials(RetrainConfig config, const References& references, const drift::RecentWindow& recent,
                             Shadow& shadow, const drift::Store& store, RetrainService& retrain)
    : config_{std::move(config)},
      references_{references},
      recent_{recent},
      shadow_{shadow},
      store_{store},
      retrain_{retrain} {
  if (config_.activate != "shadow") return;
  worker_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

RetrainTrials::~RetrainTrials() = default;

void RetrainTrials::look() {
  const std::scoped_lock lock{mutex_};
  look_ = true;
  wake_.notify_all();
}

void RetrainTrials::run(const std::stop_token& stop) {
  name_thread("retrain-trial");
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock{mutex_};
      if (!wake_.wait(lock, stop, [this] { return look_; })) return;
      look_ = false;
    }
    try {
      const auto open = store_.retrains(true);
      std::erase_if(seen_, [&](const auto& entry) {
        return std::ranges::find(open, entry.first, &RetrainRequest::id) == open.end();
      });
      for (const auto& request : open) {
        if (!stop.stop_requested() && awaits_trial(request) && has_news(request)) try_out(request);
      }
    } catch (const std::exception& error) {
      log(LogLevel::error, "retrain requests could not be read; they will be looked at again",
          {{"reason", error.what()}});
    }
  }
}

// Whether enough images came since the last trial, and one since the last replay.
bool RetrainTrials::has_news(const RetrainRequest& request) {
  const auto* last = last_trial(request);
  const auto since = last == nullptr ? 0 : last->at_ms;
  std::size_t images = 0;
  std::int64_t newest = 0;
  for (const auto& stream : request.streams) {
    const auto recent = recent_.images(stream, name_of_reference(request.reference));
    images +=
        static_cast<std::size_t>(std::ranges::count_if(recent, [&](const auto& image) { return image.at_ms > since; }));
    if (!recent.empty()) newest = std::max(newest, recent.back().at_ms);
  }
  if (images < config_.activate_min_images || seen_[request.id] == newest) return false;
  seen_[request.id] = newest;
  return true;
}

void RetrainTrials::try_out(const RetrainRequest& request) {
  const auto name = name_of_reference(request.reference);
  drift::RetrainTrial trial{.at_ms = now_ms(), .version = request.reference_version};
  try {
    const auto report = shadow_.replay(name, {request.reference_version, {}}, request.streams);
    if (report.total.images < config_.activate_min_images) return;  // the version holds some of them: more must come
    trial.images = report.total.images;
    trial.ood = report.total.candidate.ood;
    trial.live_ood = report.total.live.ood;
    trial.passed = passes(config_, report);
    if (trial.passed) writable_reference(references_, name).activate(request.reference_version);
    retrain_.tried(request.id, trial, note_of(report, trial.passed), trial.passed);
  } catch (const Error& error) {
    if (error.code() == Errc::overloaded) {
      seen_.erase(request.id);  // another replay runs: again soon
      return;
    }
    trial.passed = false;
    retrain_.tried(request.id, trial, "the version could not be tried or activated: " + std::string{error.what()},
                   false);
  }
}

}  // namespace driftd::api
