#include "api/accuracy_watch.hpp"

#include <algorithm>
#include <utility>

#include "drift/statistics.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kFewest = 50;  // labelled images of a reference that promise something
constexpr std::size_t kMaxStreams = 100'000;

}  // namespace

const VoteAccuracy& AccuracyWatch::measure(State& state, const Reference& reference) const {
  auto& [version, accuracy] = state.measured[reference.manifest().name];
  if (version != reference.id()) {
    accuracy = vote_accuracy(reference, options_.k, options_.pools);
    version = reference.id();
  }
  return accuracy;
}

std::optional<drift::AccuracyDetector> AccuracyWatch::step(const drift::Judgement& judgement) {
  if (options_.run_length == 0) return std::nullopt;
  const auto found = references_.find(name_of_reference(judgement.reference));
  if (found == references_.end()) return std::nullopt;
  const auto live = found->second->current();
  if (live.id() != judgement.reference) return std::nullopt;
  const auto now = monitor_.stream(judgement.stream);
  const drift::Moment moment{judgement.at_ms, now ? now->window.total : 0};
  return state_.with([&](State& state) -> std::optional<drift::AccuracyDetector> {
    auto stream = state.streams.find(judgement.stream);
    if (stream == state.streams.end() || stream->second.reference != judgement.reference) {
      const auto& measured = measure(state, live);
      if (measured.images < kFewest || state.streams.size() >= kMaxStreams) return std::nullopt;
      const auto expected = static_cast<double>(measured.right) / static_cast<double>(measured.images);
      const auto tolerated = std::max(0.0, drift::wilson(measured.right, measured.images).lower - options_.drop);
      Stream fresh{judgement.reference, expected, {1 - tolerated, static_cast<double>(options_.run_length)}};
      stream = state.streams.insert_or_assign(judgement.stream, std::move(fresh)).first;
    }
    stream->second.detector.step(judgement.correct(), moment);
    return stream->second.detector;
  });
}

void AccuracyWatch::judged(const drift::Judgement& judgement) {
  const auto detector = step(judgement);
  if (!detector) return;
  monitor_.follow(judgement.stream,
                  {std::string{kAccuracyRule},
                   {detector->over(), detector->calm()},
                   detector->since(),
                   detector->limit(),
                   1 / detector->limit(),
                   detector->value()},
                  judgement.at_ms);
}

void AccuracyWatch::restore(const drift::Judgement& judgement) {
  (void)step(judgement);
}

std::optional<AccuracyReading> AccuracyWatch::reading(std::string_view stream) const {
  auto reading = state_.with([&](const State& state) -> std::optional<AccuracyReading> {
    const auto found = state.streams.find(stream);
    if (found == state.streams.end()) return std::nullopt;
    const auto& detector = found->second.detector;
    return AccuracyReading{found->second.expected, 1 - detector.error(), detector.value(), detector.limit(), {}};
  });
  if (reading) reading->alert = monitor_.followed_alert(stream, kAccuracyRule);
  return reading;
}

}  // namespace driftd::api
