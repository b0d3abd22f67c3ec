#include "drift/accuracy_detector.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace driftd::drift {

AccuracyDetector::AccuracyDetector(double error, double limit) : error_{std::clamp(error, 0.005, 0.9)}, limit_{limit} {
  if (!(error >= 0 && error <= 1 && limit > 1)) {
    throw Error{Errc::invalid_argument, "an accuracy detector needs an error rate from 0 to 1 and a limit over 1"};
  }
}

void AccuracyDetector::step(bool right, Moment now) {
  // One bet at the ceiling puts the mean at the limit: the first alarm comes as if there were no ceiling, and once the
  // answers are right again the evidence is soon gone.
  const double ceiling = limit_ * static_cast<double>(kLosses.size());
  for (std::size_t i = 0; i < kLosses.size(); ++i) {
    auto& bet = bets_[i];
    const double error = error_ + kLosses[i] * (1 - error_);
    const double factor = right ? (1 - error) / (1 - error_) : error / error_;
    if (bet.run <= 1) bet.since = now;
    bet.run = std::min(ceiling, std::max(bet.run, 1.0) * factor);
    bet.sum = std::min(ceiling, (bet.sum + 1) * factor);
  }
}

double AccuracyDetector::value() const {
  double sum = 0;
  for (const auto& bet : bets_) sum += bet.sum;
  return sum / static_cast<double>(bets_.size());
}

Moment AccuracyDetector::since() const {
  return std::ranges::max_element(bets_, {}, &Bet::sum)->since;
}

}  // namespace driftd::drift
