#include "drift/e_detector.hpp"

#include <cmath>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

// exp(-2 * tolerance * (1 - e)) for e = 0.5.
const double kCost = std::exp(-0.02);

Moment at(std::uint64_t image) {
  return {static_cast<std::int64_t>(image) * 10, image};
}

double half(const EDetector& detector) {
  return detector.state()[1].wealth;
}

}  // namespace

TEST_CASE("the bet with exponent a half follows its formula by hand") {
  EDetector detector{100};
  CHECK(detector.value() == 1);
  // 99 ranked images: cells of 0.01. The smallest p-value pays (0.01^0.5 - 0) / 0.01 = 10.
  detector.step(0.01, 99, at(1));
  CHECK(half(detector) == Approx(10 * kCost));
  // 0.64 pays (0.8 - sqrt(0.63)) / 0.01.
  detector.step(0.64, 99, at(2));
  CHECK(half(detector) == Approx(10 * kCost * (0.8 - std::sqrt(0.63)) / 0.01 * kCost));
  detector.restart();
  detector.step(1, 99, at(3));
  CHECK(half(detector) == Approx((1 - std::sqrt(0.99)) / 0.01 * kCost));
  detector.step(1, 99, at(4));  // a lost stake is made up to 1, so that the next bet loses no more than one can
  CHECK(half(detector) == Approx((1 - std::sqrt(0.99)) / 0.01 * kCost));
}

TEST_CASE("the value is the mean of the bets, and the limit is reached at it") {
  EDetector detector{20};
  detector.step(0.01, 99, at(1));
  double mean = 0;
  for (std::size_t i = 0; i < EDetector::kExponents.size(); ++i) {
    const double e = EDetector::kExponents[i];
    mean += std::pow(0.01, e) / 0.01 * std::exp(-0.04 * (1 - e)) / 4;
  }
  CHECK(detector.value() == Approx(mean));
  CHECK_FALSE(detector.over());
  detector.step(0.01, 99, at(2));
  CHECK(detector.over());
}

TEST_CASE("the mean payment of a bet under uniform ranks is its cost for the tolerance") {
  const std::size_t ranked = GENERATE(19U, 300U, 5000U);
  std::array<double, EDetector::kExponents.size()> mean{};
  for (std::size_t rank = 1; rank <= ranked + 1; ++rank) {
    EDetector detector{1e9};
    detector.step(static_cast<double>(rank) / static_cast<double>(ranked + 1), ranked, at(1));
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += detector.state()[i].wealth;
  }
  for (std::size_t i = 0; i < mean.size(); ++i) {
    CAPTURE(ranked, EDetector::kExponents[i]);
    CHECK(mean[i] / static_cast<double>(ranked + 1) == Approx(std::exp(-0.04 * (1 - EDetector::kExponents[i]))));
  }
}

TEST_CASE("the start of the drift is the start of the bet that has won most") {
  EDetector detector{1000};
  CHECK(detector.since().image == 0);
  for (std::uint64_t image = 1; image <= 20; ++image) detector.step(0.9, 99, at(image));
  for (std::uint64_t image = 21; image <= 23; ++image) detector.step(0.01, 99, at(image));
  detector.step(0.5, 99, at(24));
  CHECK(detector.since().image == 21);
  CHECK(detector.since().at_ms == 210);
}

TEST_CASE("wealth has a ceiling, so that a long drift is over soon after it ends") {
  EDetector detector{100};
  for (std::uint64_t image = 1; image <= 10'000; ++image) detector.step(0.01, 99, at(image));
  CHECK(detector.value() == Approx(400));
  CHECK_FALSE(detector.calm());
  std::uint64_t images = 0;
  while (!detector.calm() && images < 1000) detector.step(0.5, 99, at(10'001 + images++));
  CAPTURE(images);
  CHECK(images < 200);
}

TEST_CASE("a detector goes on from its state as if it had never stopped") {
  EDetector whole{100};
  for (std::uint64_t image = 1; image <= 5; ++image) whole.step(0.03, 99, at(image));
  EDetector copy{100, whole.state()};
  whole.step(0.2, 99, at(6));
  copy.step(0.2, 99, at(6));
  CHECK(copy.value() == whole.value());
  CHECK(copy.since().image == whole.since().image);
  EDetector::State huge;
  huge[0].wealth = 1e300;
  CHECK(EDetector{100, huge}.value() == Approx(100 + 3.0 / 4));
}

TEST_CASE("the limit grows with the wanted run length and is refused outside its range") {
  CHECK(limit_for(kMinRunLength) > 30);
  CHECK(limit_for(10'000) > 300);
  CHECK(limit_for(10'000) < 1000);
  CHECK(limit_for(kMaxRunLength) < 10'000);
  for (std::size_t length = kMinRunLength; length < kMaxRunLength; length += 997) {
    CHECK(limit_for(length) < limit_for(length + 997 <= kMaxRunLength ? length + 997 : kMaxRunLength));
  }
  CHECK(test::code_of([] { return limit_for(999); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return limit_for(200'001); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return EDetector{1}.value(); }) == Errc::invalid_argument);
}
