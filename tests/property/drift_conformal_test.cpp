// P-values of images exchangeable with the reference are what they claim to be, and copies in the reference do not
// spoil them.
#include <cmath>
#include <random>

#include "drift/alert.hpp"
#include "drift/scorer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/synthetic.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

struct Trial {
  std::size_t n = 0;
  std::size_t copies = 0;            // of randomly chosen rows, stored beside them, each a hair's breadth away
  double duplicate_distance = 0.01;  // 0 makes the copies count as neighbours
  std::size_t k = kDefaultK;
};

// How many of `fresh` points of the reference's own source have p <= alpha.
std::uint64_t flags_in(const Trial& trial, std::size_t fresh, Rule rule, double alpha, unsigned seed) {
  std::mt19937 random{seed};
  auto reference = test::mixture(trial.n, seed, random);
  std::uniform_int_distribution<std::size_t> any{0, trial.n - 1};
  for (std::size_t i = 0; i < trial.copies; ++i) {
    reference.push_back(reference[any(random)]);
    reference.back()[0] += 1e-4F * static_cast<float>(i + 1);
  }
  CalibrationOptions options;
  options.duplicate_distance = trial.duplicate_distance;
  options.vectors = test::vectors_of(reference);
  const auto calibration = calibrate(reference.size(), test::source_of(reference), options);
  std::uint64_t flags = 0;
  for (const auto& point : test::mixture(fresh, seed, random)) {
    const auto found = test::nearest(reference, point, kNeighbours);
    const auto near = near_of(found.distances, found.rows, calibration);
    const auto vectors = options.vectors(found.rows);
    const double statistic = score(rule, near, calibration, trial.k, {point, vectors});
    flags += p_value(statistic, calibration, rule, trial.k) <= alpha ? 1 : 0;
  }
  return flags;
}

// The sum over many references: each trial's count is BetaBinomial, their sum is close to normal.
struct Total {
  double flags = 0;
  double mean = 0;
  double deviation = 0;
  [[nodiscard]] double surprise() const { return (flags - mean) / deviation; }
};

Total total_of(const Trial& trial, Rule rule, double alpha, unsigned first_seed) {
  constexpr std::size_t kFresh = 150;
  constexpr int kReferences = 40;
  const auto rows = trial.n + trial.copies;
  const double rate = static_cast<double>(conformal_ranks(alpha, rows)) / (static_cast<double>(rows) + 1);
  // Copies add rows to rank against, not information: the spread is that of the distinct images.
  const auto values = static_cast<double>(trial.n) + 1;
  const double variance = kFresh * rate * (1 - rate) * (values + kFresh) / (values + 1);
  Total total;
  for (unsigned i = 0; i < kReferences; ++i) {
    total.flags += static_cast<double>(flags_in(trial, kFresh, rule, alpha, first_seed + i));
  }
  total.mean = kReferences * kFresh * rate;
  total.deviation = std::sqrt(kReferences * variance);
  return total;
}

}  // namespace

TEST_CASE("one reference's false alarms stay in the exact beta-binomial range") {
  const auto n = GENERATE(std::size_t{200}, 400U, 600U);
  const auto rule = GENERATE(Rule::blend, Rule::knn);
  const double alpha = GENERATE(0.05, 0.1);
  const unsigned seed = 100 + static_cast<unsigned>(n);
  const auto flags = flags_in({n}, 400, rule, alpha, seed);
  const auto ranks = static_cast<double>(conformal_ranks(alpha, n));
  const double rest = static_cast<double>(n) + 1 - ranks;
  CAPTURE(seed, n, alpha, flags, name_of(rule));
  CHECK(beta_binomial_upper_tail(flags, 400, ranks, rest) > 0.001);
  CHECK(1 - beta_binomial_upper_tail(flags + 1, 400, ranks, rest) > 0.001);
}

TEST_CASE("over many references the false-alarm rate is alpha") {
  const auto rule = GENERATE(from_range(kRules));
  const double alpha = GENERATE(0.01, 0.05, 0.2);
  constexpr unsigned kSeed = 1000;
  const auto total = total_of({250}, rule, alpha, kSeed);
  CAPTURE(kSeed, alpha, total.flags, total.mean, total.deviation, name_of(rule));
  CHECK(std::abs(total.surprise()) < 3.5);
}

TEST_CASE("copies that are skipped leave the false-alarm rate at alpha") {
  const auto rule = GENERATE(Rule::blend, Rule::knn);
  constexpr unsigned kSeed = 2000;
  const auto total = total_of({.n = 250, .copies = 75, .k = 1}, rule, 0.05, kSeed);
  CAPTURE(kSeed, total.flags, total.mean, total.deviation, name_of(rule));
  CHECK(std::abs(total.surprise()) < 3.5);
}

TEST_CASE("copies that count as neighbours raise the false-alarm rate, so that skipping them is needed") {
  const auto rule = GENERATE(Rule::blend, Rule::knn);
  constexpr unsigned kSeed = 2000;
  const auto total = total_of({.n = 250, .copies = 75, .duplicate_distance = 0, .k = 1}, rule, 0.05, kSeed);
  CAPTURE(kSeed, total.flags, total.mean, total.deviation, name_of(rule));
  CHECK(total.surprise() > 5);
  CHECK(total.flags > 1.4 * total.mean);
}
