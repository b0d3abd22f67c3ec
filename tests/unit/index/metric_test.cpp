// The metric cosine: neighbours are ordered by angle, through every way into a reference and out of it.
#include <algorithm>
#include <cmath>
#include <random>

#include "core/error.hpp"
#include "index/collection.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/collections.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using index::Collection;
using index::Metric;

namespace {

constexpr std::size_t kDimension = 6;

// Directions and lengths of all sizes.
Matrix random_vectors(std::size_t rows, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  Matrix m{rows, kDimension};
  for (std::size_t r = 0; r < rows; ++r) {
    const auto length = std::exp(3 * normal(random));
    for (auto& value : m.row(r)) value = length * normal(random);
  }
  return m;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return product / std::sqrt(aa * bb);
}

void check_order(const Collection& collection, const std::vector<std::pair<std::string, std::vector<float>>>& items,
                 const Matrix& queries) {
  const auto live = collection.snapshot();
  const auto found = live->search(queries, 5);
  for (std::size_t q = 0; q < queries.rows; ++q) {
    std::vector<double> cosines;
    for (const auto& [id, vector] : items) cosines.push_back(cosine(vector, queries.row(q)));
    std::ranges::sort(cosines, std::greater<>{});
    for (std::size_t j = 0; j < found.k; ++j)
      CHECK(found.distances[q * found.k + j] == Approx(std::sqrt(2 - 2 * cosines[j])).margin(1e-3));
  }
}

index::NewItem new_item(const std::string& id, std::span<const float> vector) {
  return {{id, "", "", {}}, {vector.begin(), vector.end()}, {}};
}

}  // namespace

TEST_CASE("under cosine, a reference finds by angle what was built in, added, reopened and compacted") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(3, random(1, 1 << 30))));
  const auto kind = GENERATE(index::Kind::flat, index::Kind::ivf, index::Kind::fp16);
  CAPTURE(seed, index::name_of(kind));
  std::mt19937_64 random{seed};
  const auto built = random_vectors(100, random);
  const auto added = random_vectors(30, random);
  const auto queries = random_vectors(20, random);
  test::TempDir dir;
  std::vector<std::pair<std::string, std::vector<float>>> items;
  index::Segment segment{kDimension, Metric::cosine};
  for (std::size_t i = 0; i < built.rows; ++i) {
    items.emplace_back("b" + std::to_string(i), std::vector<float>{built.row(i).begin(), built.row(i).end()});
    segment.add({{items.back().first, "", "", {}}}, {1, kDimension, built.row(i).data()});
  }
  (void)segment.replace_index(segment.index().converted(kind));
  Collection::create(dir / "ref", segment, test::toys(), {});
  {
    const auto collection = Collection::open(dir / "ref", {.writable = true});
    CHECK(collection->snapshot()->manifest().metric == Metric::cosine);
    for (std::size_t i = 0; i < added.rows; ++i) {
      items.emplace_back("a" + std::to_string(i), std::vector<float>{added.row(i).begin(), added.row(i).end()});
      collection->upsert({new_item(items.back().first, added.row(i))});
    }
    check_order(*collection, items, queries);
  }
  const auto collection = Collection::open(dir / "ref", {.writable = true});
  check_order(*collection, items, queries);
  collection->compact([&](index::Segment& fresh, index::Manifest&) {
    (void)fresh.replace_index(fresh.index().converted(kind));
    return index::Segment::Attachments{};
  });
  CHECK(collection->snapshot()->manifest().metric == Metric::cosine);
  check_order(*collection, items, queries);
}

TEST_CASE("under cosine, a vector of zeros is refused wherever it comes in, and the item is named") {
  test::TempDir dir;
  index::Segment segment{2, Metric::cosine};
  const Matrix zeros{1, 2};
  CHECK(test::code_of([&] { segment.add({{"0", "", "", {}}}, zeros); }) == Errc::invalid_argument);
  segment.add({{"1", "", "", {}}}, Matrix{1, 2, {3, 4}});
  Collection::create(dir / "ref", segment, test::toys(), {});
  const auto collection = Collection::open(dir / "ref", {.writable = true});
  CHECK(test::message_of([&] {
          collection->upsert({test::item_at("fine", 1), test::item_at("nil", 0)});
        }).starts_with("item \"nil\": a vector of zeros"));
  CHECK(collection->changes() == 0);
  CHECK(test::code_of([&] { (void)collection->snapshot()->search(zeros, 1); }) == Errc::invalid_argument);
  CHECK(collection->find("1")->vector == std::vector<float>{0.6F, 0.8F});
}

TEST_CASE("scaling to unit length is done once: a second time changes no bit") {
  std::mt19937_64 random{7};
  const auto once = index::scaled_to_unit(random_vectors(200, random));
  CHECK(index::scaled_to_unit(once).data == once.data);
}

TEST_CASE("metrics have names, and an unknown one is refused with the list") {
  for (const auto metric : {Metric::l2, Metric::cosine}) CHECK(index::metric_of(index::name_of(metric)) == metric);
  CHECK(test::message_of([] { (void)index::metric_of("dot"); }).find("l2 or cosine") != std::string::npos);
}
