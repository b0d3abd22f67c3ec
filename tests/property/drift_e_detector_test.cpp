// The e-detector by simulation: run lengths without drift against the stated ones, over references and for the unlucky
// ones among them; delays against the window's rule.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "drift/alert.hpp"
#include "drift/detectors/e_detection.hpp"
#include "drift/e_detector.hpp"
#include "drift/statistics.hpp"
#include "tests/support/catch.hpp"

using namespace driftd::drift;

namespace {

constexpr unsigned kSeed = 2022;

// A reference of uniform values, and fresh ones that it ranks.
class Source {
 public:
  Source(std::size_t ranked, unsigned seed) : random_{seed}, values_(ranked) { draw_reference(); }
  void draw_reference() {
    std::ranges::generate(values_, [&] { return uniform(); });
    std::ranges::sort(values_);
  }
  float fresh() { return rank(uniform()); }
  // A share of the images is among the 2% strangest.
  float contaminated(double share) { return uniform() < share ? rank(0.98F + 0.02F * uniform()) : fresh(); }
  double p_value(float rank) const {
    const auto places = static_cast<double>(values_.size()) + 1;
    return (places - rank) / places;
  }
  [[nodiscard]] std::size_t ranked() const { return values_.size(); }

 private:
  float uniform() { return std::uniform_real_distribution<float>{}(random_); }
  float rank(float value) const {
    return static_cast<float>(std::ranges::upper_bound(values_, value) - values_.begin());
  }

  std::mt19937 random_;
  std::vector<float> values_;
};

std::size_t images_until_alarm(Source& source, double limit) {
  EDetector detector{limit, {score_channel(source.ranked())}};
  std::size_t images = 0;
  while (!detector.over()) {
    const float rank = source.fresh();
    ++images;
    detector.step({&rank, 1}, true, {0, images});
  }
  return images;
}

double mean_run_length(Source& source, double limit, std::size_t streams) {
  double images = 0;
  for (std::size_t i = 0; i < streams; ++i) images += static_cast<double>(images_until_alarm(source, limit));
  return images / static_cast<double>(streams);
}

// Bins as components have them, over ranks.
RankHistogram coarse_ranks(std::size_t ranked) {
  std::vector<float> values(ranked);
  std::iota(values.begin(), values.end(), 1.0F);  // a fresh rank of r is not below the first r of them
  return RankHistogram::of_values(values, 4);
}

// Images until the default rule "ood-rate" fires, from a window full of calm.
std::size_t window_delay(Source& source, double share) {
  const AlertRule rule;
  Window window{500};
  for (int i = 0; i < 500; ++i) window.push(source.p_value(source.fresh()) <= 0.05);
  AlertMachine machine{{rule.for_images, rule.resolve_after}};
  for (std::size_t images = 1; images < 5000; ++images) {
    window.push(source.p_value(source.contaminated(share)) <= 0.05);
    if (machine.step(condition(rule, window.summary()), {}) == AlertMachine::Transition::firing) return images;
  }
  return 5000;
}

std::size_t median(std::vector<std::size_t> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<long>(values.size() / 2));
  return values[values.size() / 2];
}

}  // namespace

TEST_CASE("over references of any size, the first false alarm comes after the stated number of images") {
  const std::size_t ranked = GENERATE(60U, 300U, 1000U, 20'000U);
  const std::size_t stated = GENERATE(1000U, 10'000U);
  const std::size_t references = stated == 1000 ? 1500 : 500;  // standard error 3 to 4%
  Source source{ranked, kSeed};
  double images = 0;
  for (std::size_t i = 0; i < references; ++i) {
    source.draw_reference();
    images += static_cast<double>(images_until_alarm(source, limit_for(stated)));
  }
  const double mean = images / static_cast<double>(references);
  CAPTURE(kSeed, ranked, stated, mean);
  CHECK(mean > 0.8 * static_cast<double>(stated));
  CHECK(mean < 1.2 * static_cast<double>(stated));
  CHECK(mean > limit_for(stated));  // what is proved
}

TEST_CASE("the unluckiest tenth of small references still have half of the stated run length") {
  constexpr std::size_t kStated = 2000;
  constexpr std::size_t kReferences = 30;
  Source source{300, kSeed};
  std::vector<double> means(kReferences);
  for (auto& mean : means) {
    source.draw_reference();
    mean = mean_run_length(source, limit_for(kStated), 100);  // standard error 10%
  }
  std::ranges::sort(means);
  CAPTURE(kSeed, means);
  CHECK(means[kReferences / 10] > 0.5 * kStated);
}

TEST_CASE("with components and image properties beside the score the run length is the stated one, too") {
  const std::size_t ranked = GENERATE(300U, 1000U);
  const std::size_t components = GENERATE(0U, 24U);
  constexpr std::size_t kProperties = 8;
  constexpr std::size_t kStated = 5000;
  const std::size_t references = components == 0 ? 100 : 60;  // standard error 10 and 13%
  std::vector<Source> sources;
  for (unsigned i = 0; i < 1 + components + kProperties; ++i) {
    const bool component = i > 0 && i <= components;  // ranked among one half of the reference
    sources.emplace_back(component ? ranked / 2 : ranked, kSeed + i);
  }
  double images = 0;
  for (std::size_t r = 0; r < references; ++r) {
    std::vector<EDetector::Channel> channels{score_channel(ranked)};
    for (auto& source : sources) source.draw_reference();
    for (std::size_t i = 1; i < sources.size(); ++i) {
      const bool component = i <= components;
      channels.push_back({component ? "components" : "properties", "c", true,
                          component ? coarse_ranks(ranked / 2) : RankHistogram::of_ranks(ranked)});
    }
    EDetector detector{limit_for(kStated), std::move(channels)};
    std::vector<float> values(sources.size());
    while (!detector.over()) {
      std::ranges::transform(sources, values.begin(), [](Source& source) { return source.fresh(); });
      detector.step(values, true, {0, 1});
      ++images;
    }
  }
  const double mean = images / static_cast<double>(references);
  CAPTURE(kSeed, ranked, components, mean);
  CHECK(mean > 0.65 * kStated);
  CHECK(mean < 1.4 * kStated);
}

TEST_CASE("bets on the flag alone have the stated run length over references") {
  const std::size_t ranked = GENERATE(300U, 2000U);
  constexpr std::size_t kStated = 5000;
  constexpr std::size_t kReferences = 400;  // standard error 5%
  Source source{ranked, kSeed};
  double images = 0;
  for (std::size_t r = 0; r < kReferences; ++r) {
    source.draw_reference();
    const auto places = conformal_ranks(0.05, ranked);
    EDetector detector{limit_for(kStated), {{"score", "flag", false, RankHistogram::of_flag(places, ranked + 1)}}};
    while (!detector.over()) {
      const float flag = source.p_value(source.fresh()) <= 0.05 ? 1 : 0;
      detector.step({&flag, 1}, true, {0, 1});
      ++images;
    }
  }
  const double mean = images / kReferences;
  CAPTURE(kSeed, ranked, mean);
  CHECK(mean > 0.7 * kStated);
  CHECK(mean < 1.5 * kStated);
}

TEST_CASE("a contaminated stream is noticed sooner than by the window's rule, and the estimated start is near") {
  const double share = GENERATE(0.05, 0.10, 0.20);
  constexpr std::size_t kCalm = 500;
  Source source{1000, kSeed};
  std::vector<std::size_t> detector_delays;
  std::vector<std::size_t> window_delays;
  std::vector<std::size_t> errors;
  for (int i = 0; i < 60; ++i) {
    source.draw_reference();
    EDetector detector{limit_for(10'000), {score_channel(source.ranked())}};
    std::size_t image = 0;
    const auto step = [&](float rank) { detector.step({&rank, 1}, true, {0, ++image}); };
    while (image < kCalm) step(source.fresh());
    while (!detector.over() && image < 20'000) step(source.contaminated(share));
    detector_delays.push_back(image - std::min(image, kCalm));
    const auto began = detector.since().image;
    errors.push_back(began > kCalm ? began - kCalm : kCalm - began);
    window_delays.push_back(window_delay(source, share));
  }
  CAPTURE(kSeed, share, median(detector_delays), median(window_delays), median(errors));
  CHECK(median(detector_delays) < median(window_delays));
  CHECK(median(errors) < median(window_delays));
}

TEST_CASE("ood-cusum has its stated run length within 20%, whatever luck the reference has with its threshold") {
  constexpr std::size_t kStated = 5'000;
  const std::size_t ranked = GENERATE(300U, 5'000U);
  CAPTURE(ranked);
  std::mt19937_64 random{11};
  const ReferenceVersion reference{"default@1", ranked, 0.05, nullptr, nullptr};
  const WindowSummary window{};
  const double places = std::floor(0.05 * static_cast<double>(ranked + 1));
  constexpr int kStreams = 400;
  double images = 0;
  for (int i = 0; i < kStreams; ++i) {
    const double flagged = std::gamma_distribution{places}(random);
    const double others = std::gamma_distribution{static_cast<double>(ranked + 1) - places}(random);
    std::bernoulli_distribution strange{flagged / (flagged + others)};
    EDetection detector{EDetection::On::flag, kStated};
    for (std::uint64_t image = 1;; ++image, ++images) {
      if (detector.step({reference, strange(random), {}, window, nullptr, {0, image}}, true).over) break;
    }
  }
  CHECK(images / kStreams == Approx(static_cast<double>(kStated)).epsilon(0.2));
}
