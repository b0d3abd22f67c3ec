#include "drift/e_detector.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

constexpr double kAtRest = 2;   // mean wealth of a channel's bets below which what it has seen becomes normal
constexpr double kFirm = 1000;  // values that ranks must rest on before anything waits to become normal
constexpr double kRecent = 50;  // images that a recent rank is a mean of

// exp(-2 * kTolerance * (1 - e)) of each exponent.
const auto kEdge = [] {
  auto edge = EDetector::kExponents;
  for (auto& e : edge) e = std::exp(-2 * EDetector::kTolerance * (1 - e));
  return edge;
}();

constexpr auto kExponentCount = static_cast<double>(EDetector::kExponents.size());

// What each bet pays: the calibrator e * u^(e - 1) averaged over the part of [0, 1] that the value's bin takes, less
// the tolerance. One logarithm for all exponents: this is most of what a step costs.
void play(EDetector::Bets& bets, Interval part, double ceiling, Moment now) {
  const double upper = std::log(part.upper);
  const double lower = std::log(part.lower);  // -inf at 0, of which the power is 0
  for (std::size_t i = 0; i < bets.size(); ++i) {
    auto& [wealth, since] = bets[i];
    const double e = EDetector::kExponents[i];
    const double payment = (std::exp(e * upper) - std::exp(e * lower)) / (part.upper - part.lower);
    if (wealth <= 1) since = now;
    wealth = std::min(ceiling, std::max(wealth, 1.0) * payment * kEdge[i]);
  }
}

double sum(const EDetector::Bets& bets) {
  double wealth = 0;
  for (const auto& bet : bets) wealth += bet.wealth;
  return wealth;
}

double sum(const EDetector::Channel& channel) {
  return sum(channel.upper) + (channel.both_ends ? sum(channel.lower) : 0);
}

// Of a bet in the mean of its channel's.
double own_weight(const EDetector::Channel& channel) {
  return 1 / ((channel.both_ends ? 2 : 1) * kExponentCount);
}

// Whether less than nine tenths of the reference's values are one, as far as its bins tell.
bool varies(const EDetector::Channel& channel) {
  const auto& places = channel.ranks.state().places;
  const double all = std::accumulate(places.begin(), places.end(), 0.0);
  return std::ranges::max(places) < 0.9 * all;
}

// Which channels have a share of their group: those that vary, or all where none does.
std::vector<bool> with_share(const std::vector<EDetector::Channel>& channels) {
  std::vector<bool> vary;
  for (const auto& channel : channels) vary.push_back(varies(channel));
  auto have = vary;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    bool any = false;
    for (std::size_t j = 0; j < channels.size(); ++j) any |= vary[j] && channels[j].group == channels[i].group;
    if (!any) have[i] = true;
  }
  return have;
}

}  // namespace

EDetector::EDetector(double limit, std::vector<Channel> channels) : limit_{limit}, channels_{std::move(channels)} {
  if (!(limit > 1 && std::isfinite(limit))) {
    throw Error{Errc::invalid_argument, "an e-detector's limit is " + std::to_string(limit) + ", it must be over 1"};
  }
  if (channels_.empty()) throw Error{Errc::invalid_argument, "an e-detector needs a channel"};
  std::size_t groups = 1;
  for (std::size_t i = 1; i < channels_.size(); ++i) groups += channels_[i].group == channels_[i - 1].group ? 0 : 1;
  const auto have = with_share(channels_);
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    auto& channel = channels_[i];
    std::size_t fellows = 0;
    for (std::size_t j = 0; j < channels_.size(); ++j)
      fellows += have[j] && channels_[j].group == channel.group ? 1 : 0;
    weights_.push_back(own_weight(channel) / (static_cast<double>(groups) * static_cast<double>(fellows)));
    at_rest_.push_back(have[i] ? 0 : 1 / own_weight(channel));
    for (auto* bets : {&channel.upper, &channel.lower}) {
      for (auto& bet : *bets) bet.wealth = std::min(bet.wealth, limit_ / weights_.back());
    }
  }
}

void EDetector::step(std::span<const float> values, bool learn, Moment now) {
  for (std::size_t i = 0; i < std::min(values.size(), channels_.size()); ++i) {
    if (!std::isfinite(values[i])) continue;
    auto& channel = channels_[i];
    const auto part = channel.ranks.interval(values[i]);
    // One bet at the ceiling puts the mean at the limit: the first alarm comes as if there were no ceiling, and after
    // the drift the wealth is soon lost again.
    const double ceiling = limit_ / weights_[i];
    play(channel.upper, {1 - part.upper, 1 - part.lower}, ceiling, now);
    if (channel.both_ends) play(channel.lower, part, ceiling, now);
    const double share = 1 / std::min(kRecent, static_cast<double>(++channel.images) + 1);
    channel.recent_rank += share * (channel.ranks.rank(values[i]) - channel.recent_rank);
    if (!learn) {
      channel.ranks.discard();
      continue;
    }
    channel.ranks.learn(values[i]);
    const bool at_rest = sum(channel) * own_weight(channel) < kAtRest;
    if (at_rest || channel.ranks.total() < kFirm) channel.ranks.settle();
  }
}

void EDetector::restart(bool forget) {
  for (auto& channel : channels_) {
    channel.upper = channel.lower = {};
    if (!forget) continue;
    channel.ranks.forget();
    channel.recent_rank = 0.5;
    channel.images = 0;
  }
}

double EDetector::weighed(std::size_t channel) const {
  return weights_[channel] * (sum(channels_[channel]) - at_rest_[channel]);
}

double EDetector::value() const {
  double value = 0;
  for (std::size_t i = 0; i < channels_.size(); ++i) value += weighed(i);
  return value;
}

Moment EDetector::since() const {
  const Bet* best = nullptr;
  double most = -1;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const auto& channel = channels_[i];
    for (const auto* bets : {&channel.upper, channel.both_ends ? &channel.lower : &channel.upper}) {
      for (const auto& bet : *bets) {
        if (weights_[i] * bet.wealth <= most) continue;
        most = weights_[i] * bet.wealth;
        best = &bet;
      }
    }
  }
  return best->since;
}

std::vector<EDetector::Group> EDetector::groups() const {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (groups.empty() || groups.back().name != channels_[i].group) groups.push_back({channels_[i].group, 0, limit_});
    groups.back().value += weighed(i);
  }
  const auto count = static_cast<double>(groups.size());
  for (auto& group : groups) {
    group.value *= count;
    group.limit *= count;
  }
  return groups;
}

std::vector<EDetector::Share> EDetector::shares() const {
  std::vector<Share> shares;
  const double all = value();
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const auto& channel = channels_[i];
    shares.push_back({&channel, true, weights_[i] * sum(channel.upper) / all});
    if (channel.both_ends) shares.push_back({&channel, false, weights_[i] * sum(channel.lower) / all});
  }
  std::ranges::stable_sort(shares, std::ranges::greater{}, &Share::share);
  return shares;
}

EDetector::Channel score_channel(std::size_t ranked) {
  return {.group = "score", .name = "score", .ranks = RankHistogram::of_ranks(ranked)};
}

float score_rank(double p_value, std::size_t ranked) {
  const double places = static_cast<double>(ranked) + 1;
  return static_cast<float>(places - std::round(p_value * places));
}

double limit_for(std::size_t run_length) {
  if (run_length < kMinRunLength || run_length > kMaxRunLength) {
    throw Error{Errc::invalid_argument, "run_length is " + std::to_string(run_length) + ", it must be " +
                                            std::to_string(kMinRunLength) + " to " + std::to_string(kMaxRunLength)};
  }
  struct Point {
    double limit;
    double run_length;
  };
  // Mean images until the first alarm, simulated over references drawn at random (tests/bench/run_lengths.cpp), with
  // the score alone and with eight properties beside it.
  static constexpr std::array kSimulated{Point{30, 500},       Point{100, 2'000},    Point{300, 6'700},
                                         Point{1'000, 24'000}, Point{3'000, 78'000}, Point{10'000, 275'000}};
  const auto wanted = static_cast<double>(run_length);
  // The end pieces go on beyond the table's ends.
  const auto* above =
      std::ranges::lower_bound(kSimulated.begin() + 1, kSimulated.end() - 1, wanted, {}, &Point::run_length);
  const auto* below = above - 1;
  const double share = std::log(wanted / below->run_length) / std::log(above->run_length / below->run_length);
  return below->limit * std::pow(above->limit / below->limit, share);
}

}  // namespace driftd::drift
