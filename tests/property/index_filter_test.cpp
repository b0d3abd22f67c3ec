// Search among allowed rows only, against brute force over those rows, for every kind of index.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "core/error.hpp"
#include "index/ann.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/clusters.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using index::Ann;
using index::Kind;
using index::RowMask;

namespace {

constexpr std::size_t kRows = 3000;
constexpr std::size_t kQueries = 20;  // more than FAISS answers one by one
constexpr std::size_t kDimension = 24;

struct Fixture {
  Ann ann;
  Matrix stored;  // as decoded
  Matrix queries;
};

Fixture fixture(Kind kind, std::uint64_t seed) {
  const auto vectors = test::clustered_unit_vectors(kRows + kQueries, kDimension, seed);
  Ann flat{kDimension};
  flat.add({kRows, kDimension, vectors.data.data()});
  auto ann = flat.converted(kind);
  if (ann.nlist() > 0) ann.set_nprobe((ann.nlist() + 7) / 8);
  std::vector<std::int64_t> all(kRows);
  std::iota(all.begin(), all.end(), 0);
  auto stored = ann.vectors(all);
  const auto first = vectors.row(kRows).data();
  return {std::move(ann), std::move(stored), {kQueries, kDimension, {first, first + kQueries * kDimension}}};
}

RowMask random_mask(std::size_t rows, double share, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::bernoulli_distribution allowed{share};
  RowMask mask{rows};
  for (std::size_t i = 0; i < rows; ++i) mask.set(i, allowed(random));
  return mask;
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum);
}

// Of the allowed rows only, in ascending order.
std::vector<double> brute_force(const Matrix& stored, std::span<const float> query, const RowMask& allowed) {
  std::vector<double> all;
  for (std::size_t i = 0; i < stored.rows; ++i) {
    if (allowed.test(i)) all.push_back(distance(stored.row(i), query));
  }
  std::sort(all.begin(), all.end());
  return all;
}

// What holds however many cells are read: allowed rows, each once, as many as there are, with their true distances,
// nearest first.
void check_sound(const Fixture& f, const index::Neighbours& found, const RowMask& allowed) {
  const auto count = std::min(found.k, allowed.count());
  for (std::size_t q = 0; q < kQueries; ++q) {
    const auto rows = std::span{found.rows}.subspan(q * found.k, found.k);
    const auto distances = std::span{found.distances}.subspan(q * found.k, found.k);
    CHECK(std::ranges::is_sorted(distances));
    CHECK(std::set(rows.begin(), rows.begin() + count).size() == count);
    for (std::size_t j = 0; j < found.k; ++j) {
      CAPTURE(q, j, rows[j]);
      if (j >= count) {
        CHECK(rows[j] == -1);
        CHECK(distances[j] == std::numeric_limits<float>::infinity());
        continue;
      }
      REQUIRE(rows[j] >= 0);
      const auto row = static_cast<std::size_t>(rows[j]);
      CHECK(allowed.test(row));
      CHECK(distances[j] == Approx(distance(f.stored.row(row), f.queries.row(q))).margin(1e-4));
    }
  }
}

void check_exact(const Fixture& f, const index::Neighbours& found, const RowMask& allowed) {
  for (std::size_t q = 0; q < kQueries; ++q) {
    const auto expected = brute_force(f.stored, f.queries.row(q), allowed);
    for (std::size_t j = 0; j < std::min(found.k, expected.size()); ++j) {
      CAPTURE(q, j);
      CHECK(found.distances[q * found.k + j] == Approx(expected[j]).margin(1e-4));
    }
  }
}

}  // namespace

TEST_CASE("a filtered search finds the nearest of the allowed rows, and of those only") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  const auto kind = GENERATE(Kind::flat, Kind::ivf, Kind::fp16, Kind::sq8, Kind::ivfsq8);
  CAPTURE(seed, index::name_of(kind));
  const auto f = fixture(kind, seed);
  for (const double share : {0.0, 0.002, 0.1, 0.5, 1.0}) {
    const auto allowed = random_mask(kRows, share, seed + 1);
    CAPTURE(share, allowed.count());
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{64}}) {
      CAPTURE(k);
      const auto found = f.ann.search(f.queries, k, {&allowed, true});
      check_sound(f, found, allowed);
      check_exact(f, found, allowed);
      check_sound(f, f.ann.search(f.queries, k, {&allowed}), allowed);
    }
  }
}

TEST_CASE("one allowed row is found, whichever it is, and then nothing") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(3, random(1, 1 << 30))));
  const auto kind = GENERATE(Kind::flat, Kind::ivf, Kind::fp16, Kind::sq8, Kind::ivfsq8);
  CAPTURE(seed, index::name_of(kind));
  const auto f = fixture(kind, seed);
  for (const auto row : {std::size_t{0}, seed % kRows, kRows - 1}) {
    RowMask allowed{kRows};
    allowed.set(row);
    const auto found = f.ann.search(f.queries, 3, {&allowed});
    check_sound(f, found, allowed);
    check_exact(f, found, allowed);
  }
}

TEST_CASE("a batch of filtered queries is answered as the queries one by one") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  const auto kind = GENERATE(Kind::flat, Kind::ivf, Kind::fp16, Kind::sq8, Kind::ivfsq8);
  CAPTURE(seed, index::name_of(kind));
  const auto f = fixture(kind, seed);
  const auto allowed = random_mask(kRows, 0.3, seed);
  const auto batch = f.ann.search(f.queries, 5, {&allowed});
  for (std::size_t q = 0; q < kQueries; ++q) {
    const auto one = f.ann.search({1, kDimension, f.queries.row(q).data()}, 5, {&allowed});
    CHECK(std::ranges::equal(one.rows, std::span{batch.rows}.subspan(q * 5, 5)));
    CHECK(std::ranges::equal(one.distances, std::span{batch.distances}.subspan(q * 5, 5)));
  }
}

TEST_CASE("where the cells of a query hold fewer than k vectors, the others are read too") {
  const auto kind = GENERATE(Kind::ivf, Kind::ivfsq8);
  auto f = fixture(kind, 5);
  f.ann.set_nprobe(1);
  const RowMask all{kRows, true};
  check_sound(f, f.ann.search(f.queries, 500), all);
  check_exact(f, f.ann.search(f.queries, kRows), all);
}

TEST_CASE("a mask of another size and a row that there is not are refused") {
  const auto f = fixture(Kind::flat, 6);
  const RowMask small{kRows - 1, true};
  CHECK(test::code_of([&] { return f.ann.search(f.queries, 1, {&small}); }) == Errc::invalid_argument);
  const auto row = GENERATE(std::int64_t{-1}, std::int64_t{kRows});
  CHECK(test::code_of([&] { return f.ann.vectors(std::vector{row}); }) == Errc::invalid_argument);
}
