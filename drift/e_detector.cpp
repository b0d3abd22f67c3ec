#include "drift/e_detector.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

// The calibrator e * u^(e - 1) averaged over the p-value's cell.
double bet(double p_value, double cell, double e) {
  return (std::pow(p_value, e) - std::pow(std::max(0.0, p_value - cell), e)) / cell;
}

}  // namespace

EDetector::EDetector(double limit) : EDetector{limit, State{}} {}

EDetector::EDetector(double limit, const State& state) : limit_{limit}, state_{state} {
  if (!(limit > 1 && std::isfinite(limit))) {
    throw Error{Errc::invalid_argument, "an e-detector's limit is " + std::to_string(limit) + ", it must be over 1"};
  }
  for (auto& cusum : state_) cusum.wealth = std::min(cusum.wealth, limit * static_cast<double>(state_.size()));
}

void EDetector::step(double p_value, std::size_t ranked, Moment now) {
  const double cell = 1 / (static_cast<double>(ranked) + 1);
  // One bet at the ceiling puts the mean at the limit: the first alarm comes as if there were no ceiling, and after the
  // drift the wealth is soon lost again.
  const double ceiling = limit_ * static_cast<double>(state_.size());
  for (std::size_t i = 0; i < state_.size(); ++i) {
    auto& [wealth, since] = state_[i];
    const double e = kExponents[i];
    if (wealth <= 1) since = now;
    wealth = std::min(ceiling, std::max(wealth, 1.0) * bet(p_value, cell, e) * std::exp(-2 * kTolerance * (1 - e)));
  }
}

void EDetector::restart() {
  state_ = {};
}

double EDetector::value() const {
  double sum = 0;
  for (const auto& cusum : state_) sum += cusum.wealth;
  return sum / static_cast<double>(state_.size());
}

Moment EDetector::since() const {
  return std::ranges::max_element(state_, {}, &Cusum::wealth)->since;
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
  // Mean images until the first alarm over simulated streams of uniform ranks, 1000 ranked images;
  // tests/bench/run_lengths.cpp repeats it, with delays under drift.
  static constexpr std::array kSimulated{Point{30, 481},       Point{100, 2'048},    Point{300, 6'662},
                                         Point{1'000, 24'618}, Point{3'000, 74'984}, Point{10'000, 272'708}};
  const auto wanted = static_cast<double>(run_length);
  // The end pieces go on beyond the table's ends.
  const auto* above =
      std::ranges::lower_bound(kSimulated.begin() + 1, kSimulated.end() - 1, wanted, {}, &Point::run_length);
  const auto* below = above - 1;
  const double share = std::log(wanted / below->run_length) / std::log(above->run_length / below->run_length);
  return below->limit * std::pow(above->limit / below->limit, share);
}

}  // namespace driftd::drift
