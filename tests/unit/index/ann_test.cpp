#include "index/ann.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "core/error.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using index::Ann;

namespace {

Matrix random_matrix(std::size_t rows, std::size_t cols, unsigned seed) {
  std::mt19937 random{seed};
  std::normal_distribution<float> normal;
  Matrix m{rows, cols};
  for (auto& value : m.data) value = normal(random);
  return m;
}

// The oracle: double precision, every vector.
std::vector<std::pair<double, std::int64_t>> brute_force(const Matrix& base, std::span<const float> query) {
  std::vector<std::pair<double, std::int64_t>> all;
  for (std::size_t i = 0; i < base.rows; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < base.cols; ++j) sum += std::pow(static_cast<double>(base.row(i)[j]) - query[j], 2);
    all.emplace_back(std::sqrt(sum), static_cast<std::int64_t>(i));
  }
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("search agrees with brute force, for one query and for a batch that goes through BLAS") {
  const auto rows = GENERATE(1U, 19U, 20U, 64U);
  const unsigned seed = GENERATE(take(3, random(1, 1 << 30)));
  CAPTURE(seed, rows);
  const auto base = random_matrix(700, 33, seed);
  const auto queries = random_matrix(rows, 33, seed + 1);
  Ann ann{33};
  ann.add(base);
  const auto found = ann.search(queries, 5);
  for (std::size_t q = 0; q < rows; ++q) {
    const auto expected = brute_force(base, queries.row(q));
    for (std::size_t j = 0; j < 5; ++j) {
      CHECK(found.rows[q * 5 + j] == expected[j].second);
      CHECK(found.distances[q * 5 + j] == Approx(expected[j].first).epsilon(1e-5));
    }
  }
}

TEST_CASE("a vector is its own nearest neighbour at distance zero, in a batch too") {
  const auto base = random_matrix(100, 64, 7);
  Ann ann{64};
  ann.add(base);
  const auto found = ann.search(base, 2);
  for (std::size_t i = 0; i < base.rows; ++i) {
    CHECK(found.rows[i * 2] == static_cast<std::int64_t>(i));
    CHECK(found.distances[i * 2] == 0.0F);
  }
}

TEST_CASE("asking for more neighbours than there are pads with row -1 and infinity") {
  Ann ann{2};
  ann.add(Matrix{1, 2, {3, 4}});
  const auto found = ann.search(Matrix{1, 2, {0, 0}}, 3);
  CHECK(found.rows == std::vector<std::int64_t>{0, -1, -1});
  CHECK(found.distances[0] == 5.0F);
  CHECK(std::isinf(found.distances[2]));
}

TEST_CASE("in an empty index nothing is found") {
  const auto k = GENERATE(as<std::size_t>{}, 1, 2, 200);
  const auto found = Ann{2}.search(Matrix{1, 2, {0, 0}}, k);
  CHECK(std::ranges::all_of(found.rows, [](auto row) { return row == -1; }));
  CHECK(std::ranges::all_of(found.distances, [](float d) { return std::isinf(d); }));
}

TEST_CASE("many vectors are read as one by one") {
  const auto base = random_matrix(50, 3, 8);
  Ann ann{3};
  ann.add(base);
  const std::vector<std::int64_t> rows{49, 0, 7, 7};
  const auto read = ann.vectors(rows);
  REQUIRE(read.rows == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) CHECK(std::ranges::equal(read.row(i), base.row(rows[i])));
}

TEST_CASE("a wrong dimension, a value that is not finite and k = 0 are refused") {
  Ann ann{2};
  const auto bad = GENERATE(Matrix{1, 3, {1, 2, 3}}, Matrix{1, 2, {NAN, 0}}, Matrix{1, 2, {0, INFINITY}});
  CHECK_THROWS_AS(ann.add(bad), Error);
  CHECK_THROWS_AS(ann.search(bad, 1), Error);
  CHECK_THROWS_AS(ann.search(Matrix{1, 2, {0, 0}}, 0), Error);
  CHECK_THROWS_AS(Ann{0}, Error);
}
