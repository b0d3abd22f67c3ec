#include "drift/e_detector.hpp"

#include <cmath>
#include <limits>

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

// On the score alone, ranked among 99 images: places of 0.01.
EDetector small_detector(double limit = 100) {
  return {limit, {score_channel(99)}};
}

void step(EDetector& detector, double p_value, std::uint64_t image, bool learn = false) {
  const float rank = score_rank(p_value, 99);
  detector.step({&rank, 1}, learn, at(image));
}

double half(const EDetector& detector) {
  return detector.channels()[0].upper[1].wealth;
}

std::vector<EDetector::Channel> three_channels() {
  std::vector<float> values(99);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return {score_channel(99),
          {"properties", "brightness", true, RankHistogram::of_values(values)},
          {"properties", "width", true, RankHistogram::of_values(std::vector<float>(99, 28))}};
}

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("the bet with exponent a half follows its formula by hand") {
  auto detector = small_detector();
  CHECK(detector.value() == 1);
  // The strangest of 100 places pays (0.01^0.5 - 0) / 0.01 = 10.
  step(detector, 0.01, 1);
  CHECK(half(detector) == Approx(10 * kCost));
  // 0.64 lies among the 38 places in the middle, from 0.32 to 0.68.
  const auto middle = detector.channels()[0].ranks.interval(score_rank(0.64, 99));
  const double paid = (std::sqrt(1 - middle.lower) - std::sqrt(1 - middle.upper)) / (middle.upper - middle.lower);
  step(detector, 0.64, 2);
  CHECK(half(detector) == Approx(10 * kCost * paid * kCost));
  detector.restart(true);
  step(detector, 1, 3);
  CHECK(half(detector) == Approx((1 - std::sqrt(0.99)) / 0.01 * kCost));
  step(detector, 1, 4);  // a lost stake is made up to 1, so that the next bet loses no more than one can
  CHECK(half(detector) == Approx((1 - std::sqrt(0.99)) / 0.01 * kCost));
}

TEST_CASE("the value is the mean of the bets, and the limit is reached at it") {
  auto detector = small_detector(20);
  step(detector, 0.01, 1);
  double mean = 0;
  for (const double e : EDetector::kExponents) mean += std::pow(0.01, e) / 0.01 * std::exp(-0.04 * (1 - e)) / 4;
  CHECK(detector.value() == Approx(mean));
  CHECK_FALSE(detector.over());
  step(detector, 0.01, 2);
  CHECK(detector.over());
}

TEST_CASE("the mean payment of a bet is its cost for the tolerance, whatever was learned before") {
  const bool learned = GENERATE(false, true);
  const auto prepared = [&] {
    EDetector detector{1e9, {score_channel(99)}};
    for (std::uint64_t image = 1; learned && image <= 50; ++image) step(detector, 0.03, image, true);
    detector.restart(false);
    return detector;
  };
  const auto before = prepared();
  const auto& ranks = before.channels()[0].ranks.state();
  double mean = 0;
  double total = 0;
  for (std::size_t bin = 0; bin < ranks.places.size(); ++bin) {
    const float value = bin == 0 ? ranks.edges[0] - 1 : ranks.edges[bin - 1];
    auto detector = prepared();
    detector.step({&value, 1}, false, at(1));
    mean += half(detector) * (ranks.places[bin] + ranks.learned[bin]);
    total += ranks.places[bin] + ranks.learned[bin];
  }
  CAPTURE(learned);
  CHECK(mean / total == Approx(kCost));
}

TEST_CASE("what is learned is no longer strange") {
  auto detector = small_detector(1e6);
  step(detector, 0.01, 1, true);
  const double first = half(detector);
  detector.restart(false);
  step(detector, 0.01, 2);
  CHECK(half(detector) < 0.8 * first);
  detector.restart(true);
  step(detector, 0.01, 3);
  CHECK(half(detector) == Approx(first));
}

TEST_CASE("what is seen while bets win waits to become normal, and never does while an alert fires") {
  EDetector detector{1e6, {score_channel(999)}};
  const auto see = [&](double p, bool learn) {
    const float rank = score_rank(p, 999);
    detector.step({&rank, 1}, learn, at(1));
  };
  const auto chance_of_strangest = [&] {
    const auto part = detector.channels()[0].ranks.interval(999);
    return part.upper - part.lower;
  };
  see(0.001, true);
  CHECK(chance_of_strangest() == Approx(1 / 1000.0));
  for (int i = 0; i < 300; ++i) see(0.6, true);  // the bets lose
  CHECK(chance_of_strangest() > 1.5 / 1301);
  const double before = chance_of_strangest();
  for (int i = 0; i < 5; ++i) see(0.001, true);
  for (int i = 0; i < 300; ++i) see(0.6, false);
  CHECK(chance_of_strangest() == Approx(before));
}

TEST_CASE("the start of the drift is the start of the bet that has won most") {
  auto detector = small_detector(1000);
  CHECK(detector.since().image == 0);
  for (std::uint64_t image = 1; image <= 20; ++image) step(detector, 0.9, image);
  for (std::uint64_t image = 21; image <= 23; ++image) step(detector, 0.01, image);
  step(detector, 0.5, 24);
  CHECK(detector.since().image == 21);
  CHECK(detector.since().at_ms == 210);
}

TEST_CASE("wealth has a ceiling, so that a long drift is over soon after it ends") {
  auto detector = small_detector();
  for (std::uint64_t image = 1; image <= 10'000; ++image) step(detector, 0.01, image);
  CHECK(detector.value() == Approx(400));
  CHECK_FALSE(detector.calm());
  std::uint64_t images = 0;
  while (!detector.calm() && images < 1000) step(detector, 0.5, 10'001 + images++);
  CAPTURE(images);
  CHECK(images < 200);
}

TEST_CASE("a detector goes on from its channels as if it had never stopped") {
  auto whole = small_detector();
  for (std::uint64_t image = 1; image <= 5; ++image) step(whole, 0.03, image, true);
  EDetector copy{100, whole.channels()};
  step(whole, 0.2, 6);
  step(copy, 0.2, 6);
  CHECK(copy.value() == whole.value());
  CHECK(copy.since().image == whole.since().image);
  auto huge = score_channel(99);
  huge.upper[0].wealth = 1e300;
  CHECK(EDetector{100, {huge}}.value() == Approx(100 + 3.0 / 4));
}

TEST_CASE("groups weigh the same, and the shares tell what moved") {
  EDetector detector{1000, three_channels()};
  const std::vector<float> darker{score_rank(0.5, 99), -1, 28};
  for (std::uint64_t image = 1; image <= 3; ++image) detector.step(darker, false, at(image));
  const auto groups = detector.groups();
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].name == "score");
  CHECK(groups[1].name == "properties");
  CHECK((groups[0].value + groups[1].value) / 2 == Approx(detector.value()));
  CHECK(groups[1].limit == 2000);
  const auto most = detector.shares().front();
  CHECK(most.channel->name == "brightness");
  CHECK_FALSE(most.upper);
  CHECK(most.share > 0.9);
  CHECK(most.channel->recent_rank < 0.3);
}

TEST_CASE(
    "a channel that does not vary takes no share from the others, and raises the alarm by itself when it changes") {
  auto channels = three_channels();
  EDetector with{1000, channels};
  channels.pop_back();
  EDetector without{1000, channels};
  const std::vector<float> darker{score_rank(0.5, 99), -1, 28};
  for (std::uint64_t image = 1; image <= 4; ++image) {
    with.step(darker, false, at(image));
    without.step(std::span{darker}.first(2), false, at(image));
  }
  CHECK(with.value() == Approx(without.value()).epsilon(0.01));
  with.restart(true);
  CHECK(with.value() == 1);
  std::uint64_t image = 0;
  const std::vector<float> wider{score_rank(0.5, 99), 49, 56};
  while (!with.over() && image < 100) with.step(wider, false, at(++image));
  CHECK(image < 10);
  CHECK(with.shares().front().channel->name == "width");
}

TEST_CASE("an image without properties leaves their bets alone") {
  EDetector detector{1000, three_channels()};
  const float score = score_rank(0.01, 99);
  detector.step({&score, 1}, true, at(1));
  const std::vector<float> missing{score, kMissing, kMissing};
  detector.step(missing, true, at(2));
  CHECK(detector.groups()[1].value == 1);
  CHECK(detector.channels()[1].images == 0);
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
  CHECK(test::code_of([] { return small_detector(1).value(); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return EDetector{10, {}}.value(); }) == Errc::invalid_argument);
}
