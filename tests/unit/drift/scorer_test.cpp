#include "drift/scorer.hpp"

#include <algorithm>
#include <cmath>

#include "drift/scores/rules.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/synthetic.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

// A small reference by hand: own distances 2 (third) and 4 (tenth) everywhere, terms that leave logarithms as they are.
Calibration plain_calibration() {
  Calibration calibration;
  calibration.n = 20;
  calibration.own3.assign(20, 2);
  calibration.own10.assign(20, 4);
  calibration.typical_own3 = 2;
  calibration.typical_own10 = 4;
  calibration.ranks[list_of(Rule::blend, 1)].scores = {-2, -1, -1, 0, 0.5, 1, 2, 3, 5};
  for (std::size_t k = 1; k <= kNeighbours; ++k) {
    for (const auto rule : {Rule::knn, Rule::mean})
      calibration.ranks[list_of(rule, k)].scores = {1, 2, 2, 3, 4, 5, 6, 7, 9};
  }
  return calibration;
}

// As a search answers.
double score(Rule rule, std::span<const float> distances, std::span<const std::int64_t> rows,
             const Calibration& calibration, std::size_t k = kDefaultK) {
  return drift::score(rule, near_of(distances, rows, calibration), calibration, k);
}

const std::vector<float> kDistances{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
const std::vector<std::int64_t> kRows{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

}  // namespace

TEST_CASE("the blend adds the standardised logarithms of d1, d10, r3 and r10") {
  auto calibration = plain_calibration();
  const double plain = std::log(1.0) + std::log(10.0) + std::log(3.0 / 2) + std::log(10.0 / 4);
  CHECK(score(Rule::blend, kDistances, kRows, calibration) == Approx(plain));
  calibration.terms[1] = {std::log(5.0), 0.5};
  const double moved = std::log(1.0) + (std::log(10.0) - std::log(5.0)) / 0.5 + std::log(3.0 / 2) + std::log(10.0 / 4);
  CHECK(score(Rule::blend, kDistances, kRows, calibration) == Approx(moved));
}

TEST_CASE("the other rules follow their formulas") {
  auto calibration = plain_calibration();
  CHECK(score(Rule::mean, kDistances, kRows, calibration, 1) == 1);
  CHECK(score(Rule::mean, kDistances, kRows, calibration, 4) == Approx(2.5));
  CHECK(score(Rule::rmean, kDistances, kRows, calibration) == Approx(5.5 / 4));
  calibration.terms[2] = {0.5, 2};
  CHECK(score(Rule::d1r3, kDistances, kRows, calibration) == Approx((std::log(3.0 / 2) - 0.5) / 2));
}

TEST_CASE("a neighbour that comes with its own distances counts by them, whatever the calibration knows") {
  auto near = near_of(kDistances, kRows, plain_calibration());
  const double before = drift::score(Rule::rmean, near, plain_calibration());
  for (auto& one : near) one.own10 *= 2;
  CHECK(drift::score(Rule::rmean, near, plain_calibration()) == Approx(before / 2));
  near[0].own3 = std::nanf("");
  CHECK(test::code_of([&] { return drift::score(Rule::rmean, near, plain_calibration()); }) == Errc::invalid_argument);
}

TEST_CASE("a rule that an older calibration lacks is refused with what to do") {
  CHECK(test::message_of([] {
          return p_value(1, plain_calibration(), Rule::d1r3);
        }).find("build the reference again") != std::string::npos);
}

TEST_CASE("l1 is the k-th smallest sum of differences, whatever the order by L2") {
  const std::vector<float> image{0, 0};
  const Matrix near{3, 2, {3, 0, 2, 2, 0, 3.5F}};
  auto calibration = plain_calibration();
  calibration.gaussian.mean = {0, 0};
  for (std::size_t k = 1; k <= 3; ++k) calibration.ranks[list_of(Rule::l1, k)].scores = {1};
  const std::vector<Near> distances{{2.8F, 2, 4}, {3, 2, 4}, {3.5F, 2, 4}};
  const auto l1 = [&](std::size_t k) { return drift::score(Rule::l1, distances, calibration, k, {image, near}); };
  CHECK(l1(1) == 3);
  CHECK(l1(2) == 3.5);
  CHECK(l1(3) == 4);
  CHECK(test::code_of([&] { return drift::score(Rule::l1, distances, calibration, 1); }) == Errc::invalid_argument);
}

TEST_CASE("mahalanobis counts distance in units of the spread along each direction, and 1 is usual") {
  std::mt19937 random{5};
  std::normal_distribution<float> normal;
  Matrix points{4000, 3};
  for (std::size_t i = 0; i < points.rows; ++i) {
    for (std::size_t j = 0; j < 3; ++j) points.row(i)[j] = 2 + (j == 0 ? 10 : 1) * normal(random);
  }
  const auto fit = fit_gaussian(points);
  const auto distance = [&](std::vector<float> image) { return scores::mahalanobis(image, fit); };
  CHECK(distance({2, 2, 2}) == Approx(0).margin(0.05));
  CHECK(distance({12, 2, 2}) == Approx(1 / std::sqrt(3)).epsilon(0.1));
  CHECK(distance({2, 3, 2}) == Approx(1 / std::sqrt(3)).epsilon(0.1));
  CHECK(distance({2, 12, 2}) == Approx(10 / std::sqrt(3)).epsilon(0.1));
}

TEST_CASE("beyond the kept directions an even rest counts") {
  std::mt19937 random{6};
  std::normal_distribution<float> normal;
  Matrix points{400, 2 * kDirections};
  for (std::size_t i = 0; i < points.rows; ++i) {
    for (std::size_t j = 0; j < points.cols; ++j) points.row(i)[j] = (j < 3 ? 20 : 1) * normal(random);
  }
  const auto fit = fit_gaussian(points);
  CHECK(fit.directions.rows == kDirections);
  CHECK(fit.rest == Approx(0.7).margin(0.3));
  double mean_square = 0;
  for (std::size_t i = 0; i < points.rows; ++i)
    mean_square += std::pow(scores::mahalanobis(points.row(i), fit), 2) / 400;
  CHECK(mean_square == Approx(1).epsilon(0.02));
}

TEST_CASE("the plain rule is the distance to the k-th neighbour") {
  const auto k = GENERATE(range<std::size_t>(1, 11));
  CHECK(score(Rule::knn, kDistances, kRows, plain_calibration(), k) == static_cast<double>(k));
}

TEST_CASE("a neighbour younger than the calibration has the typical own distances") {
  auto rows = kRows;
  rows[0] = 20;
  auto calibration = plain_calibration();
  calibration.own3[0] = 1000;
  const double expected = score(Rule::blend, kDistances, kRows, plain_calibration());
  CHECK(score(Rule::blend, kDistances, rows, calibration) == Approx(expected));
  const std::vector<std::int64_t> all_new(10, 20);
  CHECK(score(Rule::blend, kDistances, all_new, calibration) == Approx(expected));
}

TEST_CASE("places that the search left empty repeat the last distance") {
  auto rows = kRows;
  auto distances = kDistances;
  std::fill(rows.begin() + 4, rows.end(), -1);
  std::fill(distances.begin() + 4, distances.end(), std::nanf(""));
  CHECK(score(Rule::knn, distances, rows, plain_calibration(), 10) == 4);
  const double expected = std::log(1.0) + std::log(4.0) + std::log(3.0 / 2) + std::log(4.0 / 4);
  CHECK(score(Rule::blend, distances, rows, plain_calibration()) == Approx(expected));
}

TEST_CASE("a copy of a training image is as typical as can be, and finite") {
  const std::vector<float> zero(10, 0);
  const double copy = score(Rule::blend, zero, kRows, plain_calibration());
  CHECK(std::isfinite(copy));
  CHECK(copy < score(Rule::blend, kDistances, kRows, plain_calibration()));
}

TEST_CASE("a p-value is the share of leave-one-out scores that are as large, the image counted in") {
  const auto calibration = plain_calibration();
  for (const double s : {-3.0, -2.0, -1.0, -0.5, 0.5, 2.0, 4.9, 5.0, 5.1}) {
    const auto larger = std::ranges::count_if(leave_one_out(calibration, Rule::blend), [&](float x) { return x >= s; });
    CAPTURE(s);
    CHECK(p_value(s, calibration, Rule::blend) == Approx((1.0 + static_cast<double>(larger)) / 10));
  }
  CHECK(p_value(9, calibration, Rule::knn, 5) == Approx(0.2));
}

TEST_CASE("a score reaches the threshold exactly when its p-value is at most alpha") {
  std::mt19937 random{3};
  const auto points = test::mixture(200, 5, random);
  CalibrationOptions options;
  options.vectors = test::vectors_of(points);
  const auto calibration = calibrate(points.size(), test::source_of(points), options);
  const auto rule = GENERATE(from_range(kRules));
  const double alpha = GENERATE(0.005, 0.05, 0.1, 0.5, 0.99);
  const double limit = threshold(alpha, calibration, rule);
  const auto& ranks = leave_one_out(calibration, rule);
  for (const float x : ranks) {
    for (const double s : {double{x}, double{std::nextafter(x, 1e9F)}, double{std::nextafter(x, -1e9F)}}) {
      REQUIRE((s >= limit) == (p_value(s, calibration, rule) <= alpha));
    }
  }
  CHECK((p_value(limit, calibration, rule) <= alpha));
}

TEST_CASE("an alpha that no p-value reaches says how many images it takes") {
  const auto message = test::message_of([] { return threshold(0.05, plain_calibration(), Rule::blend); });
  CHECK(message.find("until there are 19") != std::string::npos);
  CHECK(test::message_of([] { return threshold(0.01, plain_calibration(), Rule::blend); }).find("until there are 99") !=
        std::string::npos);
}

TEST_CASE("rules are known by name, and an unknown one lists them") {
  for (const auto rule : kRules) CHECK(rule_of(name_of(rule)) == rule);
  CHECK(test::message_of([] { return rule_of("lof"); }).find("rmean, d1r3, mean, l1 or mahalanobis") !=
        std::string::npos);
}

TEST_CASE("scores of nonsense are refused") {
  const auto calibration = plain_calibration();
  auto bad = kDistances;
  bad[3] = std::nanf("");
  const std::vector<std::int64_t> none(10, -1);
  const auto code = [&](Rule rule, const auto& distances, const auto& rows, std::size_t k) {
    return test::code_of([&] { return score(rule, distances, rows, calibration, k); });
  };
  CHECK(code(Rule::blend, bad, kRows, 3) == Errc::invalid_argument);
  CHECK(code(Rule::blend, kDistances, none, 3) == Errc::invalid_argument);
  CHECK(code(Rule::knn, kDistances, kRows, 0) == Errc::invalid_argument);
  CHECK(code(Rule::knn, kDistances, kRows, 11) == Errc::invalid_argument);
  CHECK(code(Rule::knn, std::vector<float>{1, 2}, std::vector<std::int64_t>{1, 2, 3}, 3) == Errc::invalid_argument);
  CHECK(code(Rule::knn, std::vector<float>{1, 2, 3}, std::vector<std::int64_t>{1, 2, 3}, 3) == std::nullopt);
  CHECK(test::code_of([&] { return p_value(std::nan(""), calibration, Rule::blend); }) == Errc::invalid_argument);
}
