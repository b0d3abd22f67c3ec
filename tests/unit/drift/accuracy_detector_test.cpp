#include "drift/accuracy_detector.hpp"

#include <cmath>
#include <random>

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

// Answers until the alarm, `most` where there is none.
int answers_until_alarm(AccuracyDetector detector, double error, std::mt19937_64& random, int most) {
  std::bernoulli_distribution wrong{error};
  for (int i = 1; i <= most; ++i) {
    detector.step(!wrong(random), {i, static_cast<std::uint64_t>(i)});
    if (detector.over()) return i;
  }
  return most;
}

double mean_run(double tolerated, double limit, double error, int runs, int most) {
  std::mt19937_64 random{7};
  double sum = 0;
  for (int run = 0; run < runs; ++run) sum += answers_until_alarm({tolerated, limit}, error, random, most);
  return sum / runs;
}

}  // namespace

TEST_CASE("the sum of a bet follows its formula by hand") {
  AccuracyDetector detector{0.1, 100};
  detector.step(false, {1, 1});
  double expected = 0;
  for (const double loss : AccuracyDetector::kLosses) expected += (0.1 + 0.9 * loss) / 0.1 / 4;
  CHECK(detector.value() == Approx(expected));
  detector.step(true, {2, 2});
  expected = 0;
  for (const double loss : AccuracyDetector::kLosses) {
    const double q = 0.1 + 0.9 * loss;
    expected += (q / 0.1 + 1) * (1 - q) / 0.9 / 4;
  }
  CHECK(detector.value() == Approx(expected));
}

TEST_CASE("without a loss of accuracy the first false alarm comes after the run length or later") {
  const auto error = GENERATE(0.005, 0.05, 0.2, 0.5);
  CAPTURE(error);
  const auto mean = mean_run(error, 300, error, 400, 20'000);
  INFO("mean of 400 runs, seed 7: " << mean);
  CHECK(mean >= 300);
  CHECK(mean <= 1500);                                        // and not for ever later
  CHECK(mean_run(error, 300, error / 2, 50, 20'000) > mean);  // fewer errors than tolerated: later
}

TEST_CASE("a loss of accuracy is noticed long before a false alarm would be") {
  CHECK(mean_run(0.1, 2000, 0.3, 200, 20'000) < 80);
  CHECK(mean_run(0.1, 2000, 0.6, 200, 20'000) < 20);
  CHECK(mean_run(0.02, 2000, 0.1, 200, 20'000) < 150);
}

TEST_CASE("an accuracy detector tells about when the loss began and calms down when it is over") {
  AccuracyDetector detector{0.1, 2000};
  std::uint64_t i = 0;
  const auto steps = [&](int count, int every_wrong) {
    for (int k = 0; k < count; ++k)
      detector.step(++i % static_cast<std::uint64_t>(every_wrong) != 0, {static_cast<std::int64_t>(i), i});
  };
  steps(500, 20);
  CHECK(detector.calm());
  steps(100, 2);
  REQUIRE(detector.over());
  CHECK((detector.since().image > 480 && detector.since().image < 510));
  steps(1000, 2);
  steps(200, 1000);
  CHECK(detector.calm());
}

TEST_CASE("impossible error rates and limits are refused, extreme ones are survived") {
  CHECK(test::code_of([] { return AccuracyDetector(-0.1, 10).value(); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return AccuracyDetector(NAN, 10).value(); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return AccuracyDetector(0.1, 1).value(); }) == Errc::invalid_argument);
  for (const double error : {0.0, 1.0}) {
    AccuracyDetector detector{error, 100};
    for (int i = 0; i < 10'000; ++i) detector.step(i % 2 == 0, {1, 1});
    CHECK(std::isfinite(detector.value()));
  }
}
