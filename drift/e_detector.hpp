// A sequential detector of drift: a bet against each p-value, whose wealth grows while images are too strange.
//
// For each exponent e it keeps W <- max(W, 1) * L(p), a CUSUM: the wealth of a bet that starts over whenever it has
// lost its stake. L(p) = c(p) * exp(-2 * kTolerance * (1 - e)), where c is the calibrator e * p^(e - 1). A conformal
// p-value is a multiple of 1/(n + 1) and never 0: c is averaged over the cell (p - 1/(n + 1), p], so that the mean of c
// under uniform ranks is exactly 1, however small the reference. The tolerance takes the edge off small errors of
// calibration. Small e bet on few very strange images, large e on many slightly strange ones; the detector's value is
// the mean of the W. It alarms when the value reaches a limit.
//
// Proved: if every p-value, given the past, is at least uniform, E[L | past] <= 1, and W is at most the
// Shiryaev-Roberts sum R <- (R + 1) * L, for which R - (images so far) is a supermartingale; hence the expected number
// of images until the first alarm is at least the limit. Simulated: it is in fact about 24 times the limit, and
// limit_for() is a table of that simulation, for independent uniform ranks. Neither speaks of one fixed reference,
// whose p-values are uniform only on average over references. For a wanted run length of 10,000, one reference in ten
// comes to about 1,200 or less with 300 ranked images, to 2,900 or less with 1,000, to 5,900 or less with 5,000
// (simulated, 40 references each). Frames of one video, each like the last, break both.
//
// Sources: V. Vovk et al., "Retrain or not retrain: conformal test martingales for change-point detection" (2021);
// J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2022).
//
// Confined to one thread (the Monitor guards it). O(1) a step, about 0.3 microseconds.
#pragma once

#include <array>
#include <cstddef>

#include "drift/moment.hpp"

namespace driftd::drift {

class EDetector {
 public:
  static constexpr std::array kExponents{0.3, 0.5, 0.7, 0.85};
  static constexpr double kTolerance = 0.02;

  struct Cusum {
    double wealth = 1;
    Moment since;  // the image with which the present bet began
  };
  using State = std::array<Cusum, kExponents.size()>;

  // Throws Error invalid_argument unless limit > 1.
  explicit EDetector(double limit);
  // Wealth over what step() keeps is cut down to it.
  EDetector(double limit, const State& state);

  // One image later: its p-value, a multiple of 1/(ranked + 1) in (0, 1], and its place in the stream.
  void step(double p_value, std::size_t ranked, Moment now);
  // As before the first image.
  void restart();

  [[nodiscard]] double limit() const { return limit_; }
  [[nodiscard]] double value() const;
  [[nodiscard]] bool over() const { return value() >= limit_; }
  // Back under a tenth of the limit.
  [[nodiscard]] bool calm() const { return value() < limit_ / 10; }
  // An estimate of when the drift began: the start of the bet that has won most. image = 0 before the first image.
  [[nodiscard]] Moment since() const;
  [[nodiscard]] const State& state() const { return state_; }

 private:
  double limit_;  // constant after construction
  State state_;
};

inline constexpr std::size_t kMinRunLength = 1'000;
inline constexpr std::size_t kMaxRunLength = 200'000;

// The limit at which an alarm is expected after `run_length` images without drift: simulated, within 20% for uniform
// ranks of 300 images or more. Throws Error invalid_argument outside kMinRunLength to kMaxRunLength.
[[nodiscard]] double limit_for(std::size_t run_length);

}  // namespace driftd::drift
