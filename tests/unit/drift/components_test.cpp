#include "drift/components.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

constexpr unsigned kSeed = 24;

// Normal vectors of 40 values whose standard deviation falls from 8 at value 5 to 4, 2, ... at the next ones.
std::vector<std::vector<float>> some_vectors(std::size_t rows, unsigned seed = kSeed) {
  std::mt19937_64 random{seed};
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> vectors(rows, std::vector<float>(40));
  for (auto& vector : vectors) {
    for (std::size_t i = 0; i < vector.size(); ++i) {
      const float deviation = i < 5 ? 0.1F : std::max(0.1F, 8 * std::pow(0.5F, static_cast<float>(i - 5)));
      vector[i] = 3 + deviation * normal(random);
    }
  }
  return vectors;
}

Components fit(const std::vector<std::vector<float>>& vectors) {
  return fit_components(vectors.size(), [&](std::size_t i) { return std::span{vectors[i]}; });
}

Components small_components() {
  Components components;
  components.count = 2;
  components.fitted = 5;
  components.offset = {0.5F, -1};
  components.basis = {{1, 0}, {0, 1}, {0, 0}};
  components.ranked = {{1, 2}, {3, 4}, {-5, 6}, {7, 8.25F}};
  return components;
}

}  // namespace

TEST_CASE("components are orthonormal, the directions of most variance first") {
  const auto components = fit(some_vectors(1000));
  REQUIRE(components.count == 24);
  REQUIRE(components.dimension() == 40);
  for (std::size_t a = 0; a < components.count; ++a) {
    for (std::size_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (const auto& row : components.basis) dot += double{row[a]} * row[b];
      CAPTURE(a, b);
      REQUIRE(dot == Approx(a == b ? 1 : 0).margin(1e-5));
    }
  }
  for (std::size_t j = 0; j < 5; ++j) CHECK(std::abs(components.basis[5 + j][j]) > 0.95F);
}

TEST_CASE("an embedding's place is its distance from the mean along each component") {
  const auto vectors = some_vectors(1000);
  const auto components = fit(vectors);
  auto moved = vectors[0];
  for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += 10 * components.basis[i][2];
  const auto before = project(components, vectors[0]);
  const auto after = project(components, moved);
  REQUIRE(after.size() == components.count);
  CHECK(after[2] - before[2] == Approx(10).epsilon(1e-3));
  CHECK(after[0] - before[0] == Approx(0).margin(1e-3));
  CHECK(test::code_of([&] { return project(components, std::span{moved}.first(39)); }) == Errc::invalid_argument);
}

TEST_CASE("the ranks of fresh embeddings along the components are uniform, though few images were fitted") {
  const std::size_t rows = GENERATE(100U, 300U);
  constexpr unsigned kReferences = 60;
  double outer = 0;  // values in the outermost bins
  double expected = 0;
  double count = 0;
  for (unsigned seed = kSeed; seed < kSeed + kReferences; ++seed) {
    const auto components = fit(some_vectors(rows, seed));
    const auto channels = channels_of(components);
    for (const auto& fresh : some_vectors(50, seed + 1000)) {
      const auto values = project(components, fresh);
      for (std::size_t j = 0; j < values.size(); ++j) {
        const auto& ranks = channels[j].ranks;
        const auto bin = ranks.bin(values[j]);
        outer += bin <= 1 || bin + 2 >= ranks.bins() ? 1 : 0;
        const auto& places = ranks.state().places;
        expected += (places[0] + places[1] + places[ranks.bins() - 2] + places[ranks.bins() - 1]) / ranks.total();
        ++count;
      }
    }
  }
  CAPTURE(kSeed, rows, outer / count, expected / count);
  CHECK(outer > 0.9 * expected);
  CHECK(outer < 1.1 * expected);
}

TEST_CASE("few images have few components or none, and equal images do no harm") {
  CHECK(fit(some_vectors(99)).empty());
  CHECK(channels_of(fit(some_vectors(99))).empty());
  CHECK(fit(some_vectors(100)).count == 6);
  const auto equal = fit(std::vector<std::vector<float>>(200, std::vector<float>(10, 0.25F)));
  for (const float place : project(equal, std::vector<float>(10, 0.25F))) CHECK(place == Approx(0).margin(1e-5));
}

TEST_CASE("components survive their bytes, and the bytes of format 1 stay readable") {
  const int format = GENERATE(1, 2);
  const auto components = small_components();
  std::ifstream file{DRIFTD_GOLDEN_DIRECTORY "/components-" + std::to_string(format) + ".bin", std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto golden = std::as_bytes(std::span{text});
  CHECK(std::ranges::equal(golden, encode(components)) == (format == 2));
  const auto after = decode_components(golden);
  CHECK(after.count == 2);
  CHECK(after.fitted == 5);
  CHECK(after.offset == components.offset);
  CHECK(after.basis == components.basis);
  CHECK(after.ranked == components.ranked);
}

TEST_CASE("every cut and every flipped byte of stored components is noticed, and newer ones ask for a newer program") {
  const auto bytes = encode(small_components());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    REQUIRE(test::code_of([&] { return decode_components(std::span{bytes}.first(size)); }) == Errc::corrupt);
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{0x10};
    CAPTURE(at);
    REQUIRE(test::code_of([&] { return decode_components(damaged); }).has_value());
  }
  auto newer = bytes;
  newer[4] = std::byte{3};
  CHECK(test::code_of([&] { return decode_components(newer); }) == Errc::conflict);
}
