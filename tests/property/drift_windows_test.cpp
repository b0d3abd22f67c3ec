// Windows that are judged one by one, on fresh images of the reference's own source: how many are over a limit.
#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "drift/component_windows.hpp"
#include "drift/detectors/ood_count.hpp"
#include "drift/statistics.hpp"
#include "tests/support/catch.hpp"

using namespace driftd::drift;

namespace {

constexpr unsigned kSeed = 31;
constexpr std::size_t kImages = ComponentWindows::kImages;

// Embeddings with skewed, correlated values, as those of a network are.
std::vector<float> embedding(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  const float common = normal(random);
  std::vector<float> values(32);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = std::exp(0.5F * normal(random) + 0.3F * common) / static_cast<float>(1 + i / 8);
  return values;
}

}  // namespace

TEST_CASE("over references, windows' means are over a limit as often as it says") {
  const std::size_t rows = GENERATE(300U, 1000U);
  const int references = 60;
  constexpr int kWindows = 30;
  constexpr double kLevel = 0.1;
  std::mt19937_64 random{kSeed};
  double over = 0;
  for (int r = 0; r < references; ++r) {
    std::vector<std::vector<float>> vectors(rows);
    for (auto& vector : vectors) vector = embedding(random);
    const auto components = fit_components(rows, [&](std::size_t i) { return std::span{vectors[i]}; });
    const ComponentWindows windows{components};
    const double limit = windows.limit(kLevel, kImages);
    for (int w = 0; w < kWindows; ++w) {
      std::vector<double> sums;
      for (std::size_t i = 0; i < kImages; ++i) windows.add(project(components, embedding(random)), sums);
      over += windows.length(sums, kImages) >= limit ? 1 : 0;
    }
  }
  const double expected = references * kWindows * kLevel;
  CAPTURE(kSeed, rows, over, expected);
  CHECK(over == Approx(expected).epsilon(0.25));
}

TEST_CASE("over references, windows have as many flags, as strange, as often as their limit says") {
  const auto ranked = GENERATE(100U, 300U, 1000U);
  constexpr int kTrials = 20'000;
  constexpr double kLevel = 0.02;
  std::mt19937_64 random{kSeed};
  const double limit = flags_at_level(kLevel, kImages, 0.05, ranked);
  const auto places = conformal_ranks(0.05, ranked);
  int over = 0;
  for (int t = 0; t < kTrials; ++t) {
    // Any continuous scores will do; the strangest of the reference come first.
    std::vector<double> scores(ranked + kImages);
    std::ranges::generate(scores, [&] { return std::uniform_real_distribution<double>{}(random); });
    const std::span all{scores};
    const auto tail = all.first(ranked);
    std::ranges::partial_sort(tail, tail.begin() + static_cast<std::ptrdiff_t>(places), std::ranges::greater{});
    std::size_t flags = 0;
    double rank_sum = 0;
    for (const double score : all.subspan(ranked)) {
      if (score <= tail[places - 1]) continue;
      ++flags;
      rank_sum +=
          static_cast<double>(std::ranges::count_if(tail.first(places - 1), [&](double x) { return x < score; }));
    }
    over += static_cast<double>(flags) + strangeness(rank_sum, flags, places - 1) >= limit ? 1 : 0;
  }
  CAPTURE(kSeed, ranked, limit, over);
  CHECK(over == Approx(kLevel * kTrials).epsilon(0.2));
}
