// Windows that are judged one by one, on fresh images of the reference's own source: how many are over a limit.
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

TEST_CASE("over references, windows along components are over a limit as often as it says") {
  constexpr int kReferences = 12;
  constexpr int kWindows = 150;
  constexpr double kOneIn = 10;
  std::mt19937_64 random{kSeed};
  double ks_over = 0;
  double shift_over = 0;
  for (int r = 0; r < kReferences; ++r) {
    std::vector<std::vector<float>> vectors(2000);
    for (auto& vector : vectors) vector = embedding(random);
    auto components = fit_components(vectors.size(), [&](std::size_t i) { return std::span{vectors[i]}; });
    components.nulls = ComponentWindows::draw(components);
    const ComponentWindows windows{components};
    for (int w = 0; w < kWindows; ++w) {
      std::vector<std::vector<double>> counts(windows.count());
      for (std::size_t j = 0; j < counts.size(); ++j) counts[j].resize(windows.ranks(j).bins());
      std::vector<double> sums(windows.count());
      for (std::size_t i = 0; i < ComponentWindows::kImages; ++i) {
        const auto values = project(components, embedding(random));
        for (std::size_t j = 0; j < values.size(); ++j) {
          ++counts[j][windows.ranks(j).bin(values[j])];
          sums[j] += values[j];
        }
      }
      double ks = 0;
      double squares = 0;
      for (std::size_t j = 0; j < counts.size(); ++j) {
        ks = std::max(ks, std::abs(windows.ks(j, counts[j])));
        squares += std::pow(windows.shift(j, sums[j] / ComponentWindows::kImages), 2);
      }
      ks_over += ks >= windows.ks_limit(kOneIn) ? 1 : 0;
      shift_over += std::sqrt(squares) >= windows.shift_limit(kOneIn) ? 1 : 0;
    }
  }
  const double expected = kReferences * kWindows / kOneIn;
  CAPTURE(kSeed, ks_over, shift_over, expected);
  CHECK(ks_over > 0.5 * expected);
  CHECK(ks_over < 1.6 * expected);
  CHECK(shift_over > 0.5 * expected);
  CHECK(shift_over < 1.6 * expected);
}

TEST_CASE("over references, windows have as many flags as their limit as rarely as it says") {
  const auto ranked = GENERATE(100U, 1000U);
  constexpr int kTrials = 20'000;
  constexpr std::size_t kImages = 200;
  constexpr double kLevel = 0.05;
  std::mt19937_64 random{kSeed};
  const auto limit = flags_at_level(kLevel, kImages, 0.05, ranked);
  const auto places = static_cast<double>(conformal_ranks(0.05, ranked));
  int over = 0;
  for (int t = 0; t < kTrials; ++t) {
    // The rate of a reference is Beta(places, ranked + 1 - places), made of two gammas.
    const double a = std::gamma_distribution<double>{places}(random);
    const double b = std::gamma_distribution<double>{ranked + 1 - places}(random);
    over += std::binomial_distribution<std::size_t>{kImages, a / (a + b)}(random) >= limit ? 1 : 0;
  }
  CAPTURE(kSeed, ranked, limit, over);
  CHECK(over < 1.1 * kLevel * kTrials);
  CHECK(over > 0.5 * kLevel * kTrials);  // counts are whole: the level is met from below
}
