// Sketches rule out no row that is among the nearest: what is left holds every row that a scan finds.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <random>

#include "index/ann.hpp"
#include "index/scan.hpp"
#include "index/sketch.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using index::RowMask;
using index::Sketch;

namespace {

// Normal around one of a few places, some values larger than others, as embeddings are.
Matrix clustered(std::size_t rows, std::size_t cols, float spread, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  Matrix places{7, cols};
  for (auto& value : places.data) value = 3 + normal(random);
  Matrix m{rows, cols};
  for (std::size_t i = 0; i < rows; ++i) {
    const auto place = places.row(random() % places.rows);
    for (std::size_t j = 0; j < cols; ++j) m.row(i)[j] = place[j] + spread * normal(random) * (j % 5 == 0 ? 4.F : 1.F);
  }
  return m;
}

std::size_t missed(const index::Neighbours& candidates, const index::Neighbours& found, std::size_t queries) {
  std::size_t count = 0;
  for (std::size_t q = 0; q < queries; ++q) {
    const std::span kept{candidates.rows.data() + q * candidates.k, candidates.k};
    for (std::size_t j = 0; j < found.k; ++j)
      count += std::ranges::find(kept, found.rows[q * found.k + j]) == kept.end() ? 1 : 0;
  }
  return count;
}

// Candidates of the first queries that are nearer in a scan than their bounds, or have a smaller bound than the first
// k.
std::size_t wrong_bounds(const index::Neighbours& candidates, const Matrix& queries, const Matrix& rows,
                         std::size_t k) {
  std::size_t wrong = 0;
  for (std::size_t q = 0; q < std::min<std::size_t>(3, queries.rows); ++q) {
    const auto all = index::scan({1, queries.cols, queries.row(q).data()}, rows, rows.rows);
    std::vector<float> distance(rows.rows);
    for (std::size_t i = 0; i < rows.rows; ++i) distance[static_cast<std::size_t>(all.rows[i])] = all.distances[i];
    const auto bounds = std::span{candidates.distances}.subspan(q * candidates.k, candidates.k);
    const auto largest = *std::ranges::max_element(bounds.first(k));
    wrong += std::ranges::any_of(bounds.subspan(k), [&](float bound) { return bound < largest; }) ? 1 : 0;
    for (std::size_t i = 0; i < candidates.k; ++i) {
      const auto row = candidates.rows[q * candidates.k + i];
      wrong += row >= 0 && bounds[i] > distance[static_cast<std::size_t>(row)] ? 1 : 0;
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("a sketch keeps every row that a scan finds, whatever the shape, the mask, the spread and the kernel") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(60, random(1, 1 << 30))));
  std::mt19937_64 random{seed};
  const auto& kernel = index::sketch_kernels()[random() % index::sketch_kernels().size()];
  const auto cols = 1 + random() % 150;
  const auto spread = std::pow(10.F, static_cast<float>(random() % 7) - 4);
  const auto far = std::array{1.F, 1.F, 30.F, 1e4F}[random() % 4];
  auto rows = clustered(1 + random() % 3000, cols, spread, random);
  auto queries = clustered(1 + random() % 80, cols, spread * far, random);
  for (std::size_t i = 0; i < queries.rows; i += 3)
    std::ranges::copy(rows.row(random() % rows.rows), queries.row(i).begin());
  for (std::size_t i = 0; i + 1 < rows.rows; i += 50) std::ranges::copy(rows.row(i), rows.row(i + 1).begin());
  const auto k = 1 + random() % 30;
  std::optional<RowMask> allowed;
  if (random() % 2 == 0) {
    allowed.emplace(rows.rows);
    for (std::size_t i = 0; i < rows.rows; ++i) allowed->set(i, random() % 3 != 0);
  }
  const auto* mask = allowed ? &*allowed : nullptr;
  const auto first = random() % (rows.rows + 1);
  CAPTURE(seed, kernel.name, cols, spread, far, rows.rows, queries.rows, k, allowed.has_value(), first);
  Sketch sketch{{first, cols, rows.data.data()}, kernel};
  sketch.add({rows.rows - first, cols, rows.data.data() + first * cols});
  const auto candidates = sketch.candidates(queries, k, mask);
  if (!candidates) {
    CHECK((k > rows.rows || (allowed && allowed->count() < std::max(k, rows.rows / 8))));
    return;
  }
  CHECK(missed(*candidates, index::scan(queries, rows, k, mask), queries.rows) == 0);
  CHECK(wrong_bounds(*candidates, queries, rows, k) == 0);
  CHECK(std::ranges::all_of(candidates->rows, [&](auto row) {
    return row < 0 || mask == nullptr || mask->test(static_cast<std::size_t>(row));
  }));
}

TEST_CASE("a sketch in cells keeps every row that a scan of a query's cells finds, and no other cell's") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(40, random(1, 1 << 30))));
  std::mt19937_64 random{seed};
  const auto cols = 1 + random() % 100;
  const auto rows = clustered(1 + random() % 2000, cols, 0.5F, random);
  const auto queries = clustered(1 + random() % 80, cols, 0.5F, random);
  const auto count = 1 + random() % 20;
  const auto asked = 1 + random() % count;
  const auto k = 1 + random() % 10;
  CAPTURE(seed, cols, rows.rows, queries.rows, count, asked, k);
  std::vector<std::size_t> cell_of(rows.rows);
  for (auto& cell : cell_of) cell = random() % count;  // some cells may stay empty
  std::vector<std::vector<std::int64_t>> members(count);
  std::vector<Matrix> vectors;
  std::vector<index::Cell> cells;
  for (std::size_t i = 0; i < rows.rows; ++i) members[cell_of[i]].push_back(static_cast<std::int64_t>(i));
  for (std::size_t c = 0; c < count; ++c) {
    vectors.emplace_back(members[c].size(), cols);
    for (std::size_t i = 0; i < members[c].size(); ++i)
      std::ranges::copy(rows.row(static_cast<std::size_t>(members[c][i])), vectors[c].row(i).begin());
    cells.push_back({vectors[c].view(), members[c]});
  }
  std::vector<std::int64_t> chosen;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    std::vector<std::int64_t> all(count);
    std::iota(all.begin(), all.end(), 0);
    std::ranges::shuffle(all, random);
    chosen.insert(chosen.end(), all.begin(), all.begin() + static_cast<std::ptrdiff_t>(asked));
  }
  const auto candidates = Sketch{cells}.candidates(queries, k, nullptr, chosen);
  REQUIRE(candidates.has_value() == (k <= rows.rows));
  if (!candidates) return;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    RowMask inside{rows.rows};
    const auto read = std::span{chosen}.subspan(q * asked, asked);
    for (std::size_t i = 0; i < rows.rows; ++i)
      inside.set(i, std::ranges::find(read, static_cast<std::int64_t>(cell_of[i])) != read.end());
    const MatrixView query{1, cols, queries.row(q).data()};
    const auto kept = std::span{candidates->rows}.subspan(q * candidates->k, candidates->k);
    const index::Neighbours mine{candidates->k, {}, {kept.begin(), kept.end()}};
    auto found = index::scan(query, rows, k, &inside);
    std::erase(found.rows, -1);
    found.k = found.rows.size();
    CHECK(missed(mine, found, 1) == 0);
    CHECK(std::ranges::all_of(kept, [&](auto row) { return row < 0 || inside.test(static_cast<std::size_t>(row)); }));
  }
}

TEST_CASE("every kernel keeps the same rows of a sketch") {
  std::mt19937_64 random{7};
  const auto rows = clustered(2000, 100, 0.3F, random);
  auto queries = clustered(19, 100, 0.3F, random);
  for (std::size_t q = 0; q < queries.rows; q += 2) queries.row(q)[q] += 40;  // their rests are coded, too
  std::optional<index::Neighbours> first;
  for (const auto& kernel : index::sketch_kernels()) {
    CAPTURE(kernel.name);
    auto found = Sketch{rows, kernel}.candidates(queries, 5);
    REQUIRE(found);
    if (!first) first = found;
    std::size_t different = 0;
    for (std::size_t q = 0; q < queries.rows; ++q) {
      const auto sorted = [&](const index::Neighbours& all) {
        std::vector<std::int64_t> some(all.rows.begin() + static_cast<std::ptrdiff_t>(q * all.k),
                                       all.rows.begin() + static_cast<std::ptrdiff_t>((q + 1) * all.k));
        std::erase(some, -1);
        std::ranges::sort(some);
        return some;
      };
      different += sorted(*found) == sorted(*first) ? 0 : 1;
    }
    CHECK(different == 0);
  }
}

TEST_CASE("a sketch rules out nearly everything, also for queries that are far from all rows") {
  std::mt19937_64 random{3};
  const auto rows = clustered(20'000, 256, 0.4F, random);
  const auto queries = clustered(10, 256, GENERATE(0.4F, 2.F), random);
  const auto candidates = Sketch{rows}.candidates(queries, 3);
  REQUIRE(candidates);
  CHECK(candidates->k < 2'000);
}

TEST_CASE("a sketch rules out as much for queries that no byte a value describes as for others") {
  std::mt19937_64 random{5};
  const auto rows = clustered(20'000, 256, 0.4F, random);
  auto queries = clustered(10, 256, 0.4F, random);
  const auto near = Sketch{rows}.candidates(queries, 3);
  std::exponential_distribution<float> step{1};
  for (auto& value : queries.data) value += 8 * step(random) * step(random);  // some values far above the others
  const auto far = Sketch{rows}.candidates(queries, 3);
  REQUIRE((near && far));
  CAPTURE(near->k);
  CHECK(far->k < 4 * near->k);
  CHECK(missed(*far, index::scan(queries, rows, 3), queries.rows) == 0);
}

TEST_CASE("a sketch says so where it cannot help, and bears values that it cannot code") {
  Matrix rows{40, 4};
  for (std::size_t i = 0; i < rows.data.size(); ++i) rows.data[i] = static_cast<float>(i % 11);
  SECTION("more neighbours than rows") {
    CHECK_FALSE(Sketch{rows}.candidates(rows, 41));
  }
  SECTION("a query beyond all bounds") {
    Matrix query{1, 4, {3e38F, -3e38F, 3e38F, 0}};
    CHECK_FALSE(Sketch{rows}.candidates(query, 1));
  }
  SECTION("a row beyond all bounds is always a candidate") {
    rows.row(17)[2] = 3e38F;
    const Matrix query{1, 4, {0, 1, 2, 3}};
    const auto found = Sketch{{16, 4, rows.data.data()}}.candidates(query, 1);
    REQUIRE(found);
    Sketch all{{16, 4, rows.data.data()}};
    all.add({24, 4, rows.data.data() + 64});
    const auto more = all.candidates(query, 1);
    REQUIRE(more);
    CHECK(std::ranges::find(more->rows, 17) != more->rows.end());
  }
  SECTION("all rows the same") {
    for (auto& value : rows.data) value = 2;
    const auto found = Sketch{rows}.candidates(rows, 3);
    REQUIRE(found);
    CHECK(found->k == 40);
  }
}

TEST_CASE("a large flat index answers with the bits of a scan, as built, read, added to and filtered") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(3, random(1, 1 << 30))));
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  const std::size_t cols = 128;
  const auto rows = clustered(10'000, cols, 0.5F, random);
  REQUIRE(rows.data.size() >= 1 << 20);
  const auto queries = clustered(70, cols, 0.5F, random);
  index::Ann ann{cols};
  ann.add({9'000, cols, rows.data.data()});
  ann.add({1'000, cols, rows.data.data() + 9'000 * cols});
  RowMask allowed{rows.rows};
  for (std::size_t i = 0; i < rows.rows; ++i) allowed.set(i, random() % 2 == 0);
  for (const auto* mask : {static_cast<const RowMask*>(nullptr), static_cast<const RowMask*>(&allowed)}) {
    const auto expected = index::scan(queries, rows, 10, mask);
    const auto found = ann.search(queries, 10, {.allowed = mask});
    CHECK(found.rows == expected.rows);
    CHECK(std::memcmp(found.distances.data(), expected.distances.data(), found.distances.size() * sizeof(float)) == 0);
    for (std::size_t q = 0; q < 5; ++q) {
      const auto alone = ann.search({1, cols, queries.row(q).data()}, 10, {.allowed = mask});
      CHECK(std::equal(alone.rows.begin(), alone.rows.end(),
                       expected.rows.begin() + static_cast<std::ptrdiff_t>(q * 10)));
    }
  }
}

TEST_CASE("large cells answer with the bits of a scan where all are read, and alone as in a batch, also filtered") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  const std::size_t cols = 128;
  const auto rows = clustered(10'000, cols, 0.5F, random);
  const auto queries = clustered(70, cols, 0.5F, random);
  index::Ann flat{cols};
  flat.add({9'000, cols, rows.data.data()});
  auto cells = flat.converted(index::Kind::ivf);
  cells.add({1'000, cols, rows.data.data() + 9'000 * cols});
  cells.set_nprobe(cells.nlist() / 4);
  RowMask allowed{rows.rows};
  for (std::size_t i = 0; i < rows.rows; ++i) allowed.set(i, random() % 2 == 0);
  for (const auto* mask : {static_cast<const RowMask*>(nullptr), static_cast<const RowMask*>(&allowed)}) {
    const auto expected = index::scan(queries, rows, 10, mask);
    const auto all = cells.search(queries, 10, {.allowed = mask, .all_cells = true});
    CHECK(all.rows == expected.rows);
    CHECK(std::memcmp(all.distances.data(), expected.distances.data(), all.distances.size() * sizeof(float)) == 0);
    const auto some = cells.search(queries, 10, {.allowed = mask});
    for (std::size_t q = 0; q < queries.rows; ++q) {
      const auto alone = cells.search({1, cols, queries.row(q).data()}, 10, {.allowed = mask});
      CHECK(std::equal(alone.rows.begin(), alone.rows.end(), some.rows.begin() + static_cast<std::ptrdiff_t>(q * 10)));
    }
  }
}
