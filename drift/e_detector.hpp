// A sequential detector of drift: bets against the ranks of what is watched of each image (its score, its brightness,
// ...), whose wealth grows while images are unlike those before.
//
// A channel is one watched number. Its p-value u is uniform without drift: the place of its bin in a RankHistogram of
// the reference and of the stream so far. For each exponent e a bet keeps W <- max(W, 1) * L, a CUSUM: the wealth of a
// gambler who starts over whenever he has lost his stake. L is the calibrator e * u^(e - 1), averaged over the bin, so
// that its mean is exactly 1, times exp(-2 * kTolerance * (1 - e)), which takes the edge off what is not quite
// exchangeable. Small e bet on few very strange images, large e on many slightly strange ones. A channel is bet on at
// its upper end, or at both. The detector's value is the mean of W over the bets of a channel, over the channels of a
// group, over the groups (score, components of the embedding, image properties): averages of e-values need no
// correction for their number, and no independence: the mean of numbers whose expectations are at most 1 is one. It
// alarms when the value reaches a limit.
// A channel that hardly varies in the reference (the width of images that are all of one size) stays at 1 until there
// is drift. In the mean it would only make the others' alarms rarer, false ones and right ones. So it takes no share
// from its group, and adds what it wins beyond its 1, whose expectation is at most 0.
//
// The ranks count the stream in, because those against a fixed reference share its errors: with 300 images, one
// reference in ten would raise a false alarm every 1,000 images where 10,000 are wanted. So what the detector finds is
// a change: from the reference in a stream's first images, more and more from the stream's own past later. What is seen
// while a channel's bets win waits, and becomes normal only when they have lost again (mean wealth below 2; with ranks
// that rest on fewer than 1,000 values, at once); what is seen while an alert fires never does. Still, a difference
// from the reference that is there from the first image and too slight to win a bet becomes normal; a window against a
// fixed limit (alert.hpp) watches the level.
//
// Proved, where nothing waits: if reference and stream are exchangeable, E[L | past ranks] <= 1 whatever the
// reference's size, and W is at most the Shiryaev-Roberts sum R <- (R + 1) * L, for which R - (images so far) is a
// supermartingale; hence the expected number of images until the first alarm is at least the limit. Simulated: it is in
// fact about 24 times the limit, waiting or not, and limit_for() is a table of that simulation. Frames of one video,
// each like the last, break both.
//
// Sources: V. Vovk et al., "Retrain or not retrain: conformal test martingales for change-point detection" (2021);
// J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2022).
//
// Confined to one thread (the Monitor guards it). A step costs about 0.2 microseconds for each channel.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "drift/moment.hpp"
#include "drift/rank_histogram.hpp"

namespace driftd::drift {

class EDetector {
 public:
  static constexpr std::array kExponents{0.3, 0.5, 0.7, 0.85};
  static constexpr double kTolerance = 0.02;

  struct Bet {
    double wealth = 1;
    Moment since;  // the image with which the present run of the bet began
  };
  using Bets = std::array<Bet, kExponents.size()>;

  struct Channel {
    std::string group;
    std::string name;
    bool both_ends = false;
    RankHistogram ranks;
    Bets upper{};  // on large values
    Bets lower{};
    double recent_rank = 0.5;  // moving mean over about the last 50 images of the rank among the reference's values
    std::uint64_t images = 0;  // that had a value
  };

  struct Group {
    std::string name;
    double value = 1;
    double limit = 1;  // at which the group alone raises the alarm
  };

  // How far a channel's evidence goes towards the alarm.
  struct Share {
    const Channel* channel = nullptr;
    bool upper = true;
    double share = 0;  // of the detector's value
  };

  // Throws Error invalid_argument unless limit > 1 and there is a channel. Channels of a group stand together. Wealth
  // over what step() keeps is cut down to it.
  EDetector(double limit, std::vector<Channel> channels);

  // One image later: a value for each channel, NaN for one that the image does not have. learn: it counts as normal.
  void step(std::span<const float> values, bool learn, Moment now);
  // As before the first image; forgets what was learned, too, when asked.
  void restart(bool forget);

  [[nodiscard]] double limit() const { return limit_; }
  [[nodiscard]] double value() const;
  [[nodiscard]] bool over() const { return value() >= limit_; }
  // Back under a tenth of the limit.
  [[nodiscard]] bool calm() const { return value() < limit_ / 10; }
  // An estimate of when the drift began: the start of the bet that has won most. image = 0 before the first image.
  [[nodiscard]] Moment since() const;
  [[nodiscard]] std::vector<Group> groups() const;
  // The ends of channels that make up the value, the greatest share first.
  [[nodiscard]] std::vector<Share> shares() const;
  [[nodiscard]] const std::vector<Channel>& channels() const { return channels_; }

 private:
  [[nodiscard]] double weighed(std::size_t channel) const;  // what it adds to the value

  // Constant after construction
  double limit_;
  std::vector<double> weights_;  // of one bet, by channel
  std::vector<double> at_rest_;  // wealth that does not count, by channel

  std::vector<Channel> channels_;
};

// The one channel that every stream has: upper end of the score, as p_value() ranks it among `ranked` images.
[[nodiscard]] EDetector::Channel score_channel(std::size_t ranked);
// The value of that channel for a p-value that is a multiple of 1/(ranked + 1).
[[nodiscard]] float score_rank(double p_value, std::size_t ranked);

inline constexpr std::size_t kMinRunLength = 1'000;
inline constexpr std::size_t kMaxRunLength = 200'000;

// The limit at which an alarm is expected after `run_length` images without drift: simulated, on average over
// references of 300 images and more, with the score alone or with image properties and components beside it, within 20%
// for run lengths from 5,000 and within 30% below; with 100 images and the properties, within 35%. On real images held
// out of the training set: tests/bench/drift_bench, docs/drift.md. Nine references in ten have
// at least half of it. Throws Error invalid_argument outside kMinRunLength to kMaxRunLength.
[[nodiscard]] double limit_for(std::size_t run_length);

}  // namespace driftd::drift
