// Every kind of detector, cranked by hand: what makes it fire, what does not, and that a restart changes nothing.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <string>

#include "drift/detectors/kinds.hpp"
#include "drift/detectors/ood_count.hpp"
#include "drift/detectors/score_ks.hpp"
#include "drift/profile.hpp"
#include "drift/statistics.hpp"
#include "drift/stream_record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

constexpr unsigned kSeed = 27;
constexpr int kRanked = 400;

// Embeddings of 30 normal values, of which the first are spread widest.
class Camera {
 public:
  explicit Camera(unsigned seed) : random_{seed} {}
  std::vector<float> embedding(float shift = 0) {
    std::vector<float> values(30);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = (normal_(random_) + shift) / static_cast<float>(1 + i / 4);
    return values;
  }
  float brightness() { return normal_(random_); }
  bool chance(double p) { return std::bernoulli_distribution{p}(random_); }
  // Of the score, flagged or not.
  float rank(bool ood) {
    constexpr int kFlagged = kRanked - kRanked / 20;
    return static_cast<float>(ood ? std::uniform_int_distribution<int>{kFlagged + 1, kRanked}(random_)
                                  : std::uniform_int_distribution<int>{0, kFlagged}(random_));
  }

 private:
  std::mt19937 random_;
  std::normal_distribution<float> normal_;
};

// A reference of one property, and of components where wanted.
struct Reference {
  explicit Reference(bool with_components = true) {
    Camera camera{kSeed};
    std::vector<std::vector<float>> vectors(2 * kRanked);
    for (auto& vector : vectors) vector = camera.embedding();
    if (with_components)
      components = fit_components(vectors.size(), [&](std::size_t i) { return std::span{vectors[i]}; });
    std::vector<float> brightness(kRanked);
    std::ranges::generate(brightness, [&] { return camera.brightness(); });
    std::ranges::sort(brightness);
    auto channels = channels_of(components);
    std::ranges::move(channels_of(Profile{{"brightness", brightness}}), std::back_inserter(channels));
    version = {"default@1", kRanked, 0.05, std::make_shared<const std::vector<EDetector::Channel>>(std::move(channels)),
               nullptr};
    if (!with_components) return;
    version.windows = std::make_shared<const ComponentWindows>(components);
  }
  Components components;
  ReferenceVersion version;
};

const Reference& reference() {
  static const Reference one;
  return one;
}

// A stream with one detector.
struct Watched {
  explicit Watched(std::string_view name, const Reference& r = reference(), std::size_t run_length = 10'000)
      : from{r}, detector{make_detector(*detector_kind(name), {rule, 100, 60, 0.95, run_length})} {}
  bool see(bool ood, float brightness, float shift = 0) {
    window.push(ood);
    now = {now.at_ms + 1000, now.image + 1};
    time_window.push(ood, now.at_ms);
    std::vector<float> values{camera.rank(ood)};
    if (!from.components.empty())
      std::ranges::copy(project(from.components, camera.embedding(shift)), std::back_inserter(values));
    values.push_back(brightness);
    return detector->step({from.version, ood, values, window.summary(), &time_window, now}, true).over;
  }
  bool calm() { return see(camera.chance(0.05), camera.brightness()); }

  AlertRule rule{.min_size = 20};
  const Reference& from;
  Camera camera{kSeed + 1};
  Window window{100};
  TimeWindow time_window{60, 20};
  std::unique_ptr<Detector> detector;
  Moment now;
};

// Images until the detector's condition holds, at most `most`.
template <class See>
int images_until_over(See see, int most = 2000) {
  int images = 0;
  while (images < most && !see()) ++images;
  return images;
}

}  // namespace

TEST_CASE("each detector stays quiet on what its reference knows, and notices the drift that it is for") {
  const std::string name{GENERATE(from_range(kDetectorKinds.begin(), kDetectorKinds.end())).name};
  Watched stream{name};
  CAPTURE(kSeed, name);
  CHECK(images_until_over([&] { return stream.calm(); }, 600) == 600);
  const auto drift = [&] {
    if (name == "mean-shift") return stream.see(false, 0, 0.6F);
    if (name == "property-shift") return stream.see(false, -3);
    return stream.see(stream.camera.chance(0.5), 0);
  };
  CHECK(images_until_over(drift) < 400);
  Alert alert;
  const auto window = stream.window.summary();
  stream.detector->describe(alert, {stream.from.version, false, {}, window, &stream.time_window, stream.now});
  const auto reading = stream.detector->reading();
  CHECK(reading.value >= reading.limit);
  CHECK(alert.threshold == reading.limit);
  CHECK(alert.false_alarm_per_image > 0);
  CHECK(alert.false_alarm_per_image < 0.01);
  if (detector_kind(name)->has_run_length) CHECK(alert.started.image > 400);
}

TEST_CASE("a detector that is saved in the middle of a window and resumed goes on as if nothing had happened") {
  const auto name = GENERATE(from_range(kDetectorKinds.begin(), kDetectorKinds.end())).name;
  Watched whole{name};
  Watched stopped{name};
  for (int i = 0; i < 700; ++i) {
    if (i == 333) {
      auto resumed = make_detector(*detector_kind(name), {stopped.rule, 100, 60, 0.95, 10'000});
      resumed->resume(stopped.detector->state());
      const auto before = stopped.detector->reading();
      const auto after = resumed->reading();
      CHECK(after.value == before.value);
      CHECK((after.limit == before.limit || std::isnan(before.limit)));
      stopped.detector = std::move(resumed);
    }
    for (auto* stream : {&whole, &stopped}) {
      i < 500 ? stream->calm() : stream->see(stream->camera.chance(0.3), -1, 0.3F);
    }
  }
  CAPTURE(kSeed, name);
  CHECK(stopped.detector->reading().value == whole.detector->reading().value);
  CHECK(whole.detector->reading().value > 0);
}

TEST_CASE("what a stream saves stays small, with every channel that there is and many images learned") {
  Watched stream{"e-detector"};
  for (int i = 0; i < 3000; ++i) (void)stream.calm();
  StreamState saved;
  saved.rules.push_back({"e-detector", {}, stream.detector->state()});
  REQUIRE(saved.rules[0].detector.channels.size() == 26);
  CHECK(encode(saved).size() < 12'000);
}

TEST_CASE("a state that does not fit leaves a detector that works") {
  const auto name = GENERATE(from_range(kDetectorKinds.begin(), kDetectorKinds.end())).name;
  Watched stream{name};
  stream.detector->resume({{}, {-1, 0, 0}, {}});
  stream.detector->resume({{}, {1e300, 0, 0, 5}, {}});
  stream.detector->resume({{}, {50, 0, 0}, {}});
  for (int i = 0; i < 250; ++i) (void)stream.calm();
  CAPTURE(name);
  CHECK(std::isfinite(stream.detector->reading().value));
}

TEST_CASE("without components, the rule about them never fires and says that there is no limit") {
  const Reference bare{false};
  Watched stream{"mean-shift", bare};
  CHECK(images_until_over([&] { return stream.see(true, 5); }, 500) == 500);
  CHECK(std::isnan(stream.detector->reading().limit));
}

TEST_CASE("the limit of flags and its fraction have together the level that is wanted") {
  const auto level = GENERATE(0.1, 0.05, 0.01, 0.001);
  for (const std::size_t size : {1U, 50U, 500U}) {
    const double limit = flags_at_level(level, size, 0.05, 300);
    const auto whole = static_cast<std::uint64_t>(limit);
    CAPTURE(level, size, limit);
    // A window of `whole` flags is over it where its strangeness, uniform, is.
    const double part = 1 - (limit - static_cast<double>(whole));
    CHECK(beta_binomial_upper_tail(whole + 1, size, 15, 286) + part * beta_binomial_mass(whole, size, 15, 286) ==
          Approx(level));
  }
  CHECK(flags_at_level(0.1, 50, 0.001, 300) == 51);  // no p-value is as small as alpha
}

TEST_CASE("how strange flagged images are is uniform where they are like the reference's") {
  std::mt19937 random{kSeed};
  const std::size_t others = GENERATE(14U, 49U);
  std::array<int, 5> fifths{};
  constexpr int kTrials = 20'000;
  for (int t = 0; t < kTrials; ++t) {
    std::vector<int> flagged(20 + others);  // 1: of the window, 0: of the reference; in ascending order of strangeness
    std::fill_n(flagged.begin(), 20, 1);
    std::ranges::shuffle(flagged, random);
    double below = 0;
    double sum = 0;
    for (const int mine : flagged) mine == 1 ? sum += below : ++below;
    ++fifths[static_cast<std::size_t>(std::min(4.0, 5 * strangeness(sum, 20, others)))];
  }
  CAPTURE(kSeed, others);
  for (const int count : fifths) CHECK(count == Approx(kTrials / 5).epsilon(0.05));
  CHECK(strangeness(0, 0, 14) == 0);
  CHECK(strangeness(0, 3, 0) == 0);
}

TEST_CASE("the Kolmogorov-Smirnov distance is the largest one anywhere, signed") {
  CHECK(ks_distance({2}, 4) == Approx(0.5));       // half of the reference below: half on each side
  CHECK(ks_distance({4, 4}, 4) == Approx(1));      // above all
  CHECK(ks_distance({0, 0, 0}, 7) == Approx(-1));  // below all
  CHECK(ks_distance({0, 1, 2, 3}, 4) == Approx(-0.25));
  CHECK(ks_distance({1, 2, 3, 4}, 4) == Approx(0.25));
}

TEST_CASE("windows of p-values are over the limit of the Kolmogorov-Smirnov distance as often as it says") {
  const std::size_t ranked = GENERATE(100U, 300U, 1000U);
  const double level = GENERATE(0.2, 0.05);
  std::mt19937 random{kSeed};
  constexpr int kTrials = 4'000;
  constexpr std::size_t kImages = ScoreKs::kImages;
  int over = 0;
  std::vector<int> images(kImages + ranked);
  for (int t = 0; t < kTrials; ++t) {
    std::ranges::fill(images, 0);
    std::fill_n(images.begin(), kImages, 1);
    std::ranges::shuffle(images, random);
    std::vector<double> ranks;
    double below = 0;
    for (const int mine : images) mine == 1 ? ranks.push_back(below) : void(++below);
    over += std::abs(ks_distance(ranks, ranked)) >= ks_limit(level, kImages, ranked) ? 1 : 0;
  }
  CAPTURE(kSeed, ranked, level, over);
  CHECK(over == Approx(level * kTrials).epsilon(0.2));
}

TEST_CASE("a window by time ends with its slice, and one with few images is not judged") {
  OodCount detector{{.images = 500, .seconds = 60, .min_images = 10}, 10'000};
  Window window{100};
  Moment now;
  const auto see = [&](std::int64_t at_ms) {
    now = {at_ms, now.image + 1};
    return detector.step({reference().version, true, {}, window.summary(), nullptr, now}, true).over;
  };
  for (int i = 0; i < 9; ++i) CHECK_FALSE(see(60'000 + i));
  CHECK_FALSE(see(120'000));  // nine images were too few
  for (int i = 1; i < 10; ++i) CHECK_FALSE(see(120'000 + i));
  CHECK(see(180'000));
  CHECK(detector.reading().value == Approx(10).margin(1e-4));
}

TEST_CASE("a detector of another run length, or none, is refused") {
  const AlertRule rule;
  for (const auto& kind : kDetectorKinds) {
    if (!kind.has_run_length) continue;
    CHECK(test::code_of([&] { return make_detector(kind, {rule, 100, 60, 0.95, 999}); }) == Errc::invalid_argument);
  }
  CHECK(detector_kind("nobody") == nullptr);
}
