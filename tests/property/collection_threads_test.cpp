// A collection searched by several threads while it is written to, compacted, and switched between versions.
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "core/error.hpp"
#include "index/collection.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/collections.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using index::Collection;

namespace {

// Every item that any version ever has lies where its id says, under a label that its id decides: any answer can be
// checked without knowing what is going on.
index::NewItem item(std::size_t i) {
  return {{std::to_string(i), i % 3 == 0 ? "three" : "other", "", {}}, {static_cast<float>(i), 0}, {}};
}

bool consistent(const index::Snapshot& snapshot, std::mt19937_64& random) {
  const auto x = static_cast<float>(random() % 1000);
  index::Filter filter;
  if (random() % 2 == 0) filter.label = "three";
  const auto found = snapshot.search(Matrix{1, 2, {x, 0}}, 5, filter);
  float last = 0;
  std::set<std::int64_t> rows;
  for (std::size_t i = 0; i < found.k && found.rows[i] >= 0; ++i) {
    const auto item = copy_of(snapshot.item(found.rows[i]));
    const auto at = std::stof(item.id);
    if (std::abs(found.distances[i] - std::abs(at - x)) > 1e-3F || found.distances[i] < last) return false;
    if (filter.label && item.label != *filter.label) return false;
    if (!rows.insert(found.rows[i]).second || !snapshot.alive(static_cast<std::size_t>(found.rows[i]))) return false;
    last = found.distances[i];
  }
  return found.rows.front() >= 0;  // there is always some item of each label
}

}  // namespace

TEST_CASE("searches beside writes, compactions and activations always see one consistent state") {
  const std::uint64_t seed = GENERATE(take(1, random(1, 1 << 30)));
  CAPTURE(seed);
  test::TempDir dir;
  index::Segment items{2};
  for (std::size_t i = 0; i < 60; ++i) items.add({item(i).item}, Matrix{1, 2, item(i).vector});
  Collection::create(dir / "ref", items, test::toys(), {});
  const auto collection = Collection::open(dir / "ref", {.writable = true});

  std::atomic<bool> done{false};
  std::atomic<std::size_t> searches{0};
  std::atomic<std::size_t> wrong{0};
  std::vector<std::jthread> readers;
  for (std::uint64_t r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      std::mt19937_64 random{seed + r};
      while (!done) {
        wrong += consistent(*collection->snapshot(), random) ? 0 : 1;
        ++searches;
      }
    });
  }
  std::jthread writer{[&] {
    std::mt19937_64 random{seed + 10};
    while (!done) {
      std::vector<index::NewItem> some;
      for (int i = 0; i < 4; ++i) some.push_back(item(random() % 1000));
      collection->upsert(std::move(some));
      collection->remove(std::vector<std::string>{std::to_string(60 + random() % 940)});
    }
  }};
  std::mt19937_64 random{seed + 20};
  for (int i = 0; i < 30; ++i) {
    const auto before = collection->snapshot()->version();
    collection->take_snapshot("");
    collection->compact([](index::Segment&, index::Manifest&) { return index::Segment::Attachments{}; });
    if (random() % 2 == 0) collection->activate(before);
    collection->drop_snapshot(before);
    collection->prune(1);
  }
  done = true;
  readers.clear();
  writer.join();
  CHECK(wrong == 0);
  CHECK(searches > 100);
  CHECK(index::verify_collection(dir / "ref").empty());
}
