#include "drift/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

TEST_CASE("normal quantiles match the tables") {
  CHECK(normal_quantile(0.5) == Approx(0).margin(1e-14));
  CHECK(normal_quantile(0.975) == Approx(1.959963984540054).epsilon(1e-12));
  CHECK(normal_quantile(0.0001) == Approx(-3.719016485455709).epsilon(1e-12));
  CHECK(normal_quantile(1e-12) == Approx(-7.034483825301131).epsilon(1e-9));
}

TEST_CASE("Wilson's interval matches published examples") {
  // Newcombe, Statistics in Medicine 17 (1998), Table I, method 3.
  const auto [trials, successes, lower, upper] = GENERATE(table<std::uint64_t, std::uint64_t, double, double>(
      {{263, 81, 0.2553, 0.3662}, {148, 15, 0.0624, 0.1605}, {20, 0, 0.0, 0.1611}, {29, 1, 0.0061, 0.1718}}));
  const auto interval = wilson(successes, trials);
  CHECK(interval.lower == Approx(lower).margin(5e-5));
  CHECK(interval.upper == Approx(upper).margin(5e-5));
}

TEST_CASE("Wilson's interval knows nothing without trials and touches the ends") {
  CHECK(wilson(0, 0).lower == 0);
  CHECK(wilson(0, 0).upper == 1);
  CHECK(wilson(0, 7).lower == 0);
  CHECK(wilson(7, 7).upper == 1);
}

TEST_CASE("a beta-binomial with integer parameters counts Polya's urn draw by draw") {
  const double a = GENERATE(1.0, 3.0, 10.0);
  const double b = GENERATE(1.0, 20.0);
  std::vector<double> mass{1};
  for (std::size_t n = 0; n < 40; ++n) {
    std::vector<double> next(n + 2, 0);
    for (std::size_t k = 0; k <= n; ++k) {
      const double again = (a + static_cast<double>(k)) / (a + b + static_cast<double>(n));
      next[k + 1] += mass[k] * again;
      next[k] += mass[k] * (1 - again);
    }
    mass = next;
  }
  double tail = 0;
  for (std::size_t k = 41; k-- > 0;) {
    CAPTURE(a, b, k);
    tail += mass[k];
    CHECK(beta_binomial_mass(k, 40, a, b) == Approx(mass[k]).epsilon(1e-10));
    CHECK(beta_binomial_upper_tail(k, 40, a, b) == Approx(tail).epsilon(1e-10));
  }
}

TEST_CASE("a beta-binomial tail agrees with drawing the rate, then the images") {
  const auto seed = GENERATE(1U, 2U);
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::gamma_distribution<double> flagged{5.0};
  std::gamma_distribution<double> clear{95.0};
  constexpr int kRounds = 40'000;
  int hits = 0;
  for (int i = 0; i < kRounds; ++i) {
    const double x = flagged(random);
    const double rate = x / (x + clear(random));
    hits += std::binomial_distribution<int>{100, rate}(random) >= 9 ? 1 : 0;
  }
  const double expected = beta_binomial_upper_tail(9, 100, 5, 95);
  const double error = std::sqrt(expected * (1 - expected) / kRounds);
  CHECK(hits / double{kRounds} == Approx(expected).margin(4 * error));
}

TEST_CASE("tails keep their precision for a million images") {
  CHECK(beta_binomial_upper_tail(500'000, 1'000'000, 1, 1) == Approx(500'001.0 / 1'000'001).epsilon(1e-7));  // uniform
}

TEST_CASE("conformal ranks agree with the comparison p <= alpha for every n") {
  const double alpha = GENERATE(0.001, 0.01, 0.05, 0.1, 0.3, 0.999);
  for (std::size_t n = 1; n < 700; ++n) {
    std::size_t expected = 0;
    while (static_cast<double>(expected + 1) / static_cast<double>(n + 1) <= alpha) ++expected;
    CAPTURE(alpha, n);
    REQUIRE(conformal_ranks(alpha, n) == expected);
  }
}

TEST_CASE("quantiles interpolate between the values around them") {
  const std::vector<float> values{1, 2, 4, 8};
  CHECK(quantile(values, 0) == 1);
  CHECK(quantile(values, 1) == 8);
  CHECK(quantile(values, 0.5) == 3);
  CHECK(quantile(values, 0.25) == Approx(1.75));
  CHECK(quantile(std::vector<float>{5}, 0.3) == 5);
}

TEST_CASE("median and median absolute deviation equal those of sorted values") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 3, 2}) == 2.5);
  CHECK(median_absolute_deviation({1, 1, 2, 2, 4, 6, 9}, 2) == 1);
}

TEST_CASE("numbers outside their range are refused") {
  const double nan = std::nan("");
  CHECK(test::code_of([&] { return normal_quantile(nan); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return normal_quantile(1); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return wilson(2, 1); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return wilson(1, 2, nan); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return beta_binomial_mass(1, 2, 0, 1); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return conformal_ranks(0, 9); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return quantile({}, 0.5); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return median({1, nan}); }) == Errc::invalid_argument);
}
