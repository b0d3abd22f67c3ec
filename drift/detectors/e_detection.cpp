#include "drift/detectors/e_detection.hpp"

#include <algorithm>
#include <iterator>

#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr double kSmallestShare = 0.05;  // of the evidence, to be named in an alert
constexpr double kFlagRuns = 0.87;       // a flag's bets move in steps and pass a limit late (tests/bench/run_lengths)

bool is_property(const EDetector::Channel& channel) {
  return channel.group == "properties";
}

// The first of the values that are properties.
std::size_t first_property(const ReferenceVersion& reference) {
  return 1 +
         static_cast<std::size_t>(std::ranges::find_if(*reference.watched, is_property) - reference.watched->begin());
}

}  // namespace

EDetection::EDetection(On on, std::size_t run_length)
    : on_{on}, run_length_{run_length}, limit_{limit_for(run_length)} {
  if (on == On::flag)
    limit_ = limit_for(std::max(kMinRunLength, static_cast<std::size_t>(kFlagRuns * static_cast<double>(run_length))));
}

std::size_t EDetection::count(const ReferenceVersion& reference) const {
  if (on_ == On::flag) return conformal_ranks(reference.alpha, reference.ranked) > 0 ? 1 : 0;
  const auto watched = reference.watched ? reference.watched->size() : 0;
  if (on_ == On::everything) return 1 + watched;
  return watched == 0 ? 0 : static_cast<std::size_t>(std::ranges::count_if(*reference.watched, is_property));
}

std::vector<EDetector::Channel> EDetection::channels(const ReferenceVersion& reference) const {
  std::vector<EDetector::Channel> all;
  if (on_ == On::flag) {
    const auto places = conformal_ranks(reference.alpha, reference.ranked);
    all.push_back({.group = "score", .name = "flag", .ranks = RankHistogram::of_flag(places, reference.ranked + 1)});
    return all;
  }
  if (on_ == On::everything) all.push_back(score_channel(reference.ranked));
  if (!reference.watched) return all;
  std::ranges::copy_if(*reference.watched, std::back_inserter(all),
                       [&](const auto& channel) { return on_ == On::everything || is_property(channel); });
  return all;
}

Condition EDetection::step(const Seen& seen, bool learn) {
  const auto wanted = count(seen.reference);
  if (wanted == 0) return {};
  if (!detector_ || detector_->channels().size() != wanted) detector_.emplace(limit_, channels(seen.reference));
  const float flag = seen.ood ? 1 : 0;
  auto values = on_ == On::flag ? std::span{&flag, 1} : seen.values;
  if (on_ == On::properties) values = values.subspan(std::min(values.size(), first_property(seen.reference)));
  detector_->step(values, learn, seen.now);
  return {detector_->over(), detector_->calm()};
}

std::vector<Shift> EDetection::shifts() const {
  std::vector<Shift> shifts;
  for (const auto& [channel, upper, share] : detector_->shares()) {
    shifts.push_back({channel->name, upper, channel->recent_rank, share});
  }
  return shifts;
}

Reading EDetection::reading() const {
  if (!detector_) return {1, limit_, {}, {}};
  return {detector_->value(), detector_->limit(), detector_->groups(), shifts()};
}

Level EDetection::level() const {
  return {detector_ ? detector_->value() : 1, limit_};
}

void EDetection::describe(Alert& alert, const Seen&) const {
  alert.started = detector_->since();
  alert.threshold = detector_->limit();
  alert.false_alarm_per_image = 1 / static_cast<double>(run_length_);
  alert.moved = shifts();
  std::erase_if(alert.moved, [](const Shift& shift) { return shift.share < kSmallestShare; });
}

void EDetection::resolved() {
  if (detector_) detector_->restart(false);
}

DetectorState EDetection::state() const {
  return {detector_ ? detector_->channels() : std::vector<EDetector::Channel>{}, {}, {}};
}

void EDetection::resume(const DetectorState& state) {
  if (!state.channels.empty()) detector_.emplace(limit_, state.channels);
}

}  // namespace driftd::drift
