#include "drift/coverage.hpp"

#include <cmath>
#include <limits>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/synthetic.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

Calibration of_images(std::size_t images, double effective) {
  Calibration calibration;
  calibration.ranks.front().scores.assign(images, 0);
  calibration.effective = effective;
  return calibration;
}

// `groups` of `size` values each: a part that a group shares, and a part of its own.
double effective_of(std::size_t groups, std::size_t size, double shared, unsigned seed) {
  std::mt19937 random{seed};
  std::normal_distribution<double> normal;
  std::vector<double> values;
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t g = 0; g < groups; ++g) {
    const double common = std::sqrt(shared) * normal(random);
    for (std::size_t i = 0; i < size; ++i) {
      values.push_back(common + std::sqrt(1 - shared) * normal(random));
      numbers.push_back(g);
    }
  }
  return effective_size(values, numbers);
}

}  // namespace

TEST_CASE("beta quantiles follow their formulas where there are any") {
  const double p = GENERATE(1e-6, 0.025, 0.5, 0.975, 1 - 1e-6);
  const double a = GENERATE(0.3, 1.0, 2.0, 50.0, 5000.0);
  CHECK(beta_quantile(p, a, 1) == Approx(std::pow(p, 1 / a)).margin(1e-9));
  CHECK(beta_quantile(p, 1, a) == Approx(1 - std::pow(1 - p, 1 / a)).margin(1e-9));
}

namespace {

// P(X >= k) for X ~ Binomial(n, p).
double binomial_tail(std::uint64_t k, std::uint64_t n, double p) {
  double tail = 0;
  for (auto i = static_cast<double>(n), last = static_cast<double>(k), all = i; i >= last; --i) {
    tail += std::exp(std::lgamma(all + 1) - std::lgamma(i + 1) - std::lgamma(all - i + 1) + i * std::log(p) +
                     (all - i) * std::log1p(-p));
  }
  return tail;
}

}  // namespace

TEST_CASE("a beta quantile is where the binomial tail has that probability") {
  const auto n = GENERATE(std::uint64_t{50}, 1000U, 60'000U);
  const auto k = n / 20;
  for (const double p : {0.025, 0.5, 0.975}) {
    const double x = beta_quantile(p, static_cast<double>(k), static_cast<double>(n - k + 1));
    CHECK(binomial_tail(k, n, x) == Approx(p).epsilon(1e-5));
  }
}

TEST_CASE("a beta quantile of nonsense is refused") {
  for (const double bad : {0.0, -1.0, std::nan("")}) {
    CHECK(test::code_of([&] { return beta_quantile(0.5, bad, 1); }) == Errc::invalid_argument);
    CHECK(test::code_of([&] { return beta_quantile(bad, 1, 1); }) == Errc::invalid_argument);
  }
}

TEST_CASE("the promise narrows with the images, and knows when alpha is out of reach") {
  const auto few = coverage_of(of_images(50, 50), 0.05);
  CHECK(few.expected == Approx(2 / 51.0));
  CHECK(few.interval.lower == Approx(0.0049).margin(2e-4));
  CHECK(few.interval.upper == Approx(0.1064).margin(2e-4));
  const auto many = coverage_of(of_images(5000, 5000), 0.05);
  CHECK(many.interval.lower == Approx(0.0441).margin(2e-4));
  CHECK(many.interval.upper == Approx(0.0562).margin(2e-4));
  CHECK(coverage_of(of_images(5000, 100), 0.05).interval.upper > many.interval.upper + 0.03);
  CHECK(coverage_of(of_images(18, 18), 0.05).expected == 0);
  CHECK(images_needed(0.05) == 19);
  CHECK(images_needed(0.01) == 99);
  CHECK(images_needed(0.3) == 3);
}

TEST_CASE("so many images hold the rate within a margin") {
  CHECK(images_within(0.05, 0.01) == 1825);
  const auto interval = coverage_of(of_images(1825, 1825), 0.05).interval;
  CHECK(interval.lower == Approx(0.04).margin(0.001));
  CHECK(interval.upper == Approx(0.06).margin(0.001));
  for (const double bad : {0.0, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(test::code_of([&] { return images_within(bad, 0.01); }) == Errc::invalid_argument);
    CHECK(test::code_of([&] { return images_within(0.05, bad); }) == Errc::invalid_argument);
  }
}

TEST_CASE("streams count on the independent images only, and on as many as alpha needs") {
  CHECK(independent_images(of_images(600, 600), 0.05) == 600);
  CHECK(independent_images(of_images(600, 60.7), 0.05) == 60);
  CHECK(independent_images(of_images(600, 60.7), 0.01) == 99);
}

TEST_CASE("values in groups are worth as many as vary independently") {
  const unsigned seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  CHECK(effective_of(400, 1, 0.5, seed) == 400);
  CHECK(effective_of(200, 10, 0, seed) > 1000);
  CHECK(effective_of(200, 10, 0.999, seed) == Approx(200).epsilon(0.02));
  CHECK(effective_of(200, 10, 0.5, seed) == Approx(2000 / (1 + 9 * 0.5)).epsilon(0.2));
}
