// A sequential detector of lost accuracy: bets against "the answers are right at least as often as they should be".
//
// Each bet has an error rate of its own, q1, above the tolerated q0. After a wrong answer its sum is R <- (R + 1) q1 /
// q0, after a right one R <- (R + 1) (1 - q1) / (1 - q0): Shiryaev and Roberts' sum of likelihood ratios. The
// detector's value is the mean of R over the bets, and it alarms when the value reaches the limit.
//
// Proved: as long as each answer is wrong with probability at most q0, whatever came before, the factor's mean is at
// most 1, so that value - answers is a supermartingale, and the expected number of answers until the first alarm is at
// least the limit (Shin, Ramdas, Rinaldo, "E-detectors", 2022). So the limit is the run length itself. Answers that a
// person chose to give, strange images first, say, are wrong more often than all are: the alarm is about the answers
// that came.
//
// Confined to one thread (its owner locks). O(1) a step.
#pragma once

#include <array>

#include "drift/moment.hpp"

namespace driftd::drift {

class AccuracyDetector {
 public:
  // Shares of the right answers that turn wrong: a bet on each.
  static constexpr std::array kLosses{0.05, 0.1, 0.2, 0.4};

  // error: tolerated, kept within 0.005 to 0.9. limit: the run length in answers. Throws Error invalid_argument unless
  // 0 <= error <= 1 and limit > 1.
  AccuracyDetector(double error, double limit);

  void step(bool right, Moment now);

  [[nodiscard]] double error() const { return error_; }
  [[nodiscard]] double limit() const { return limit_; }
  [[nodiscard]] double value() const;
  [[nodiscard]] bool over() const { return value() >= limit_; }
  [[nodiscard]] bool calm() const { return value() < limit_ / 10; }  // the evidence is gone again
  // An estimate of when accuracy was lost: where the present run of the bet that has won most began.
  [[nodiscard]] Moment since() const;

 private:
  struct Bet {
    double sum = 0;
    double run = 0;  // as a CUSUM, which begins again whenever it falls to 1: only to tell since when
    Moment since;
  };

  // Constant after construction
  double error_;
  double limit_;

  std::array<Bet, kLosses.size()> bets_{};
};

}  // namespace driftd::drift
