// The e-detector by simulation: run lengths without drift against the stated ones, delays against the window's rule.
#include <algorithm>
#include <random>
#include <vector>

#include "drift/alert.hpp"
#include "drift/e_detector.hpp"
#include "tests/support/catch.hpp"

using namespace driftd::drift;

namespace {

constexpr unsigned kSeed = 2022;

// Images until the first alarm; p_value(image) gives each image's.
template <class PValue>
std::size_t run_length(double limit, std::size_t ranked, PValue p_value) {
  EDetector detector{limit};
  std::size_t images = 0;
  while (!detector.over()) {
    ++images;
    detector.step(p_value(images), ranked, {0, images});
  }
  return images;
}

class Ranks {
 public:
  Ranks(std::size_t ranked, unsigned seed)
      : random_{seed}, rank_{1, ranked + 1}, cells_{static_cast<double>(ranked + 1)} {}
  double uniform() { return static_cast<double>(rank_(random_)) / cells_; }
  // A share of the images has one of the 2% smallest p-values.
  double contaminated(double share) {
    if (std::uniform_real_distribution<double>{}(random_) >= share) return uniform();
    const auto strangest = static_cast<std::size_t>(cells_ / 50);
    return static_cast<double>(std::uniform_int_distribution<std::size_t>{1, strangest}(random_)) / cells_;
  }

 private:
  std::mt19937 random_;
  std::uniform_int_distribution<std::size_t> rank_;
  double cells_;
};

// Images until the default rule "ood-rate" fires, from a window full of calm.
std::size_t window_delay(Ranks& ranks, double share) {
  const AlertRule rule;
  Window window{500};
  for (int i = 0; i < 500; ++i) window.push(ranks.uniform() <= 0.05);
  AlertMachine machine{{rule.for_images, rule.resolve_after}};
  for (std::size_t images = 1; images < 5000; ++images) {
    window.push(ranks.contaminated(share) <= 0.05);
    if (machine.step(condition(rule, window.summary()), {}) == AlertMachine::Transition::firing) return images;
  }
  return 5000;
}

std::size_t median(std::vector<std::size_t> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<long>(values.size() / 2));
  return values[values.size() / 2];
}

}  // namespace

TEST_CASE("without drift the first alarm comes after the stated number of images, whatever the reference's size") {
  const std::size_t ranked = GENERATE(300U, 1000U, 50'000U);
  const std::size_t stated = GENERATE(1000U, 10'000U);
  const std::size_t streams = stated == 1000 ? 2000 : 600;  // standard error 2 to 4%
  Ranks ranks{ranked, kSeed};
  double images = 0;
  for (std::size_t i = 0; i < streams; ++i) {
    images += static_cast<double>(run_length(limit_for(stated), ranked, [&](std::size_t) { return ranks.uniform(); }));
  }
  const double mean = images / static_cast<double>(streams);
  CAPTURE(kSeed, ranked, stated, streams, mean);
  CHECK(mean > 0.8 * static_cast<double>(stated));
  CHECK(mean < 1.2 * static_cast<double>(stated));
  CHECK(mean > limit_for(stated));  // what is proved
}

TEST_CASE("a contaminated stream is noticed sooner than by the window's rule, and the estimated start is near") {
  const double share = GENERATE(0.05, 0.10, 0.20);
  constexpr std::size_t kRanked = 1000;
  constexpr std::size_t kCalm = 200;
  Ranks ranks{kRanked, kSeed};
  std::vector<std::size_t> detector_delays;
  std::vector<std::size_t> window_delays;
  std::vector<std::size_t> errors;
  for (int i = 0; i < 100; ++i) {
    EDetector detector{limit_for(10'000)};
    std::size_t image = 0;
    while (image < kCalm) detector.step(ranks.uniform(), kRanked, {0, ++image});
    while (!detector.over()) detector.step(ranks.contaminated(share), kRanked, {0, ++image});
    detector_delays.push_back(image - std::min(image, kCalm));
    const auto began = detector.since().image;
    errors.push_back(began > kCalm ? began - kCalm : kCalm - began);
    window_delays.push_back(window_delay(ranks, share));
  }
  CAPTURE(kSeed, share, median(detector_delays), median(window_delays), median(errors));
  CHECK(median(detector_delays) < median(window_delays));
  CHECK(median(errors) < median(window_delays));
}
