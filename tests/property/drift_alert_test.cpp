// Windows, evidence and alerts against naive recomputation over random streams; the false-alarm bound against
// simulation.
#include <algorithm>
#include <cmath>
#include <deque>
#include <random>

#include "drift/alert.hpp"
#include "tests/support/catch.hpp"

using namespace driftd::drift;

namespace {

using Transition = AlertMachine::Transition;

// A stream that is calm, then drifts, then is calm again, with random turning points.
std::vector<bool> random_stream(std::size_t n, std::mt19937& random) {
  std::vector<bool> flags;
  std::uniform_real_distribution<double> uniform;
  double rate = 0.05;
  while (flags.size() < n) {
    if (uniform(random) < 0.01) rate = uniform(random) < 0.5 ? 0.05 : uniform(random);
    flags.push_back(uniform(random) < rate);
  }
  return flags;
}

WindowSummary naive_summary(const std::vector<bool>& flags, std::size_t end, std::size_t capacity) {
  WindowSummary summary;
  summary.capacity = capacity;
  summary.size = std::min(end, capacity);
  for (auto i = end - summary.size; i < end; ++i) summary.flagged += flags[i] ? 1 : 0;
  summary.ood_rate = static_cast<double>(summary.flagged) / static_cast<double>(summary.size);
  const auto bounds = wilson(summary.flagged, summary.size);
  summary.lower = bounds.lower;
  summary.upper = bounds.upper;
  summary.total = end;
  summary.total_flagged =
      static_cast<std::uint64_t>(std::count(flags.begin(), flags.begin() + static_cast<long>(end), true));
  return summary;
}

// The machine's definition, read backwards from each image: how long the condition, or the calm, has held.
std::vector<Transition> naive_transitions(const AlertRule& rule, const std::vector<WindowSummary>& windows) {
  std::vector<Transition> all(windows.size(), Transition::none);
  const auto over = [&](const WindowSummary& w) { return w.size >= rule.min_size && w.lower > rule.threshold; };
  const auto calm = [&](const WindowSummary& w) { return w.size >= rule.min_size && w.ood_rate < rule.resolve_below; };
  bool firing = false;
  std::size_t changed = 0;  // nothing before this image counts
  for (std::size_t i = 0; i < windows.size(); ++i) {
    std::size_t run = 0;
    while (run <= i - changed && (firing ? calm(windows[i - run]) : over(windows[i - run]))) ++run;
    if (firing && run >= rule.resolve_after) {
      all[i] = Transition::resolved;
      firing = false;
      changed = i + 1;
    } else if (!firing && run > rule.for_images) {
      all[i] = Transition::firing;
      firing = true;
      changed = i + 1;
    } else if (!firing && run == 1) {
      all[i] = Transition::pending;
    } else if (!firing && run == 0 && i > changed && over(windows[i - 1])) {
      all[i] = Transition::dropped;
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a window agrees with a recount of its stream at every image") {
  const auto seed = GENERATE(range(1U, 11U));
  std::mt19937 random{seed};
  const std::size_t capacity = 1 + random() % 70;
  const auto flags = random_stream(400, random);
  CAPTURE(seed, capacity);
  Window window{capacity};
  for (std::size_t end = 1; end <= flags.size(); ++end) {
    window.push(flags[end - 1]);
    const auto seen = window.summary();
    const auto expected = naive_summary(flags, end, capacity);
    REQUIRE(seen.size == expected.size);
    REQUIRE(seen.flagged == expected.flagged);
    REQUIRE(seen.lower == expected.lower);
    REQUIRE(seen.upper == expected.upper);
    REQUIRE(seen.total_flagged == expected.total_flagged);
    if (end % 97 == 0) window = Window{capacity, 0.95, window.state()};
  }
}

TEST_CASE("the alert machine agrees with its definition on random streams") {
  const auto seed = GENERATE(range(1U, 41U));
  std::mt19937 random{seed};
  AlertRule rule;
  rule.threshold = 0.05 + 0.3 * std::uniform_real_distribution<double>{}(random);
  rule.resolve_below = rule.threshold * (0.5 + 0.5 * std::uniform_real_distribution<double>{}(random));
  rule.min_size = 1 + random() % 40;
  rule.for_images = random() % 20;
  rule.resolve_after = 1 + random() % 30;
  const auto flags = random_stream(3000, random);
  std::vector<WindowSummary> windows;
  for (std::size_t end = 1; end <= flags.size(); ++end) windows.push_back(naive_summary(flags, end, 60));
  const auto expected = naive_transitions(rule, windows);
  CAPTURE(seed, rule.threshold, rule.min_size, rule.for_images, rule.resolve_after);
  AlertMachine machine{{rule.for_images, rule.resolve_after}};
  for (std::size_t i = 0; i < windows.size(); ++i) {
    CAPTURE(i);
    REQUIRE(machine.step(condition(rule, windows[i]), {}) == expected[i]);
  }
  CHECK(std::ranges::count(expected, Transition::firing) > 0);
}

TEST_CASE("the worst images are those of a sort over the whole window") {
  const auto seed = GENERATE(range(1U, 11U));
  std::mt19937 random{seed};
  const std::size_t count = 1 + random() % 6;
  const std::size_t window = 1 + random() % 80;
  CAPTURE(seed, count, window);
  WorstImages worst{count, window};
  std::deque<Evidence> all;
  for (std::uint64_t image = 1; image <= 500; ++image) {
    if (random() % 3 != 0) {  // some images are not flagged and leave no evidence
      all.push_back({"", image, 0, 0.01 * (1 + static_cast<double>(random() % 20)), 0, {}});
      worst.add(all.back());
    }
    while (!all.empty() && all.front().image + window <= image) all.pop_front();
    std::vector<Evidence> expected{all.begin(), all.end()};
    std::ranges::sort(expected, stranger);
    expected.resize(std::min(expected.size(), count));
    const auto seen = worst.worst(image);
    REQUIRE(seen.size() == expected.size());
    for (std::size_t i = 0; i < seen.size(); ++i) REQUIRE(seen[i].image == expected[i].image);
  }
}

namespace {

struct Setting {
  std::size_t window;
  std::size_t min_size;
  double threshold;
  double alpha;
  std::size_t reference;
  std::size_t images;
};

// False firings per image of streams of exchangeable images, each against a fresh reference: the rate at which a
// reference flags is Beta(c, n + 1 - c), and given it flags are independent.
double simulated_rate(const Setting& setting, unsigned seed, int streams) {
  std::mt19937 random{seed};
  const AlertRule rule{.threshold = setting.threshold,
                       .resolve_below = setting.threshold,
                       .min_size = setting.min_size,
                       .for_images = 0,
                       .resolve_after = 1};
  const auto ranks = static_cast<double>(conformal_ranks(setting.alpha, setting.reference));
  std::gamma_distribution<double> flagged{ranks};
  std::gamma_distribution<double> clear{static_cast<double>(setting.reference) + 1 - ranks};
  std::size_t firings = 0;
  for (int stream = 0; stream < streams; ++stream) {
    const double x = flagged(random);
    std::bernoulli_distribution flag{x / (x + clear(random))};
    Window window{setting.window};
    AlertMachine machine{{rule.for_images, rule.resolve_after}};
    for (std::size_t image = 0; image < setting.images; ++image) {
      window.push(flag(random));
      firings += machine.step(condition(rule, window.summary()), {}) == Transition::firing ? 1 : 0;
    }
  }
  return static_cast<double>(firings) / (static_cast<double>(streams) * static_cast<double>(setting.images));
}

}  // namespace

TEST_CASE("simulated false alarms stay below the stated rate, and near enough for it to be worth stating") {
  const auto setting = GENERATE(Setting{100, 50, 0.05, 0.05, 500, 400}, Setting{100, 100, 0.07, 0.05, 2000, 400},
                                Setting{200, 20, 0.05, 0.05, 200, 200}, Setting{50, 50, 0.10, 0.10, 5000, 2000});
  constexpr unsigned kSeed = 77;
  constexpr int kStreams = 3000;
  const double simulated = simulated_rate(setting, kSeed, kStreams);
  const double bound =
      false_alarm_bound(setting.window, setting.min_size, setting.threshold, setting.alpha, setting.reference);
  const double error = std::sqrt(bound / (kStreams * static_cast<double>(setting.images))) * 3;
  CAPTURE(kSeed, setting.window, setting.min_size, setting.threshold, simulated, bound, error);
  CHECK(simulated <= bound + error);
  CHECK(simulated > bound / 10);
}

TEST_CASE("patience only lowers the number of false alarms") {
  // The bound of the rule without patience holds for the default rule, too; at its threshold false alarms are rare.
  CHECK(false_alarm_bound(500, 100, 0.10, 0.05, 1000) < 1e-4);
  CHECK(simulated_rate({500, 100, 0.10, 0.05, 1000, 1000}, 5, 300) <=
        false_alarm_bound(500, 100, 0.10, 0.05, 1000) + 1e-5);
}
