// The collection against the plainest model of it: a std::map for each version, under random operations with restarts.
#include <map>
#include <memory>
#include <random>
#include <set>

#include "core/error.hpp"
#include "index/collection.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/collections.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using index::Collection;

namespace {

constexpr std::size_t kDimension = 4;
constexpr std::size_t kOperations = 3000;

struct Value {
  std::string label;
  std::vector<float> vector;
};
using Model = std::map<std::string, Value>;

class Machine {
 public:
  Machine(std::filesystem::path directory, std::uint64_t seed) : directory_{std::move(directory)}, random_{seed} {
    index::Segment items{kDimension};
    for (std::size_t i = 0; i < 30; ++i) {
      const auto value = any_value();
      const auto id = std::to_string(i);
      items.add({{id, value.label, "", {}}}, Matrix{1, kDimension, value.vector});
      models_[1][id] = value;
    }
    Collection::create(directory_, items, test::toys(), {});
    reopen();
  }

  void step() {
    const auto dice = random_() % 100;
    if (dice < 45) {
      upsert();
    } else if (dice < 70) {
      remove();
    } else if (dice < 90) {
      check_search();
    } else if (dice < 93) {
      reopen();
    } else if (dice < 95) {
      compact();
    } else if (dice < 97) {
      collection_->take_snapshot("");
      snapshots_.insert(live_);
    } else if (dice < 99) {
      activate();
    } else {
      prune();
    }
    REQUIRE(collection_->snapshot()->version() == live_);
    REQUIRE(collection_->snapshot()->size() == model().size());
  }

  void check_all() {
    for (const auto& [id, value] : model()) {
      const auto found = collection_->find(id);
      REQUIRE(found);
      REQUIRE(found->vector == value.vector);
      REQUIRE(found->item.label == value.label);
    }
    for (const auto& [version, model] : models_) REQUIRE(collection_->load(version)->size() == model.size());
    REQUIRE(index::verify_collection(directory_).empty());
  }

 private:
  Model& model() { return models_.at(live_); }

  std::string any_id() { return std::to_string(random_() % 200); }
  Value any_value() {
    std::uniform_real_distribution<float> real{-1, 1};
    Value value{"label " + std::to_string(random_() % 3), {}};
    for (std::size_t i = 0; i < kDimension; ++i) value.vector.push_back(real(random_));
    return value;
  }

  // Before a write: a snapshot is left alone, the write makes a version of its own.
  void wrote(std::int64_t version) {
    if (version == live_) return;
    REQUIRE(snapshots_.contains(live_));
    REQUIRE_FALSE(models_.contains(version));
    models_[version] = models_.at(live_);
    live_ = version;
  }

  void upsert() {
    std::vector<index::NewItem> items;
    std::map<std::string, Value> values;
    for (auto n = 1 + random_() % 5; n > 0; --n) {
      const auto id = any_id();
      values[id] = any_value();
      items.push_back({{id, values[id].label, "", {}}, values[id].vector, {}});
    }
    wrote(collection_->upsert(std::move(items)).version);
    for (auto& [id, value] : values) model()[id] = value;
  }

  void remove() {
    std::vector<std::string> ids;
    for (auto n = 1 + random_() % 5; n > 0; --n) ids.push_back(any_id());
    if (std::ranges::all_of(model(), [&](const auto& entry) { return std::ranges::count(ids, entry.first) > 0; }))
      return;
    std::size_t removed = 0;
    wrote(collection_->remove(ids, &removed).version);
    std::size_t expected = 0;
    for (const auto& id : ids) expected += model().erase(id);
    REQUIRE(removed == expected);
  }

  void compact() {
    const auto version =
        collection_->compact([](index::Segment&, index::Manifest&) { return index::Segment::Attachments{}; });
    REQUIRE_FALSE(models_.contains(version));
    models_[version] = model();
    live_ = version;
  }

  void activate() {
    auto target = models_.begin();
    std::advance(target, static_cast<long>(random_() % models_.size()));
    collection_->activate(target->first);
    live_ = target->first;
  }

  void prune() {
    for (const auto version : collection_->prune(random_() % 4)) {
      REQUIRE(version != live_);
      REQUIRE_FALSE(snapshots_.contains(version));
      REQUIRE(models_.erase(version) == 1);
    }
    for (const auto version : std::set<std::int64_t>{snapshots_}) {  // or there are more and more
      if (random_() % 2 == 0) continue;
      collection_->drop_snapshot(version);
      snapshots_.erase(version);
    }
  }

  void reopen() {
    collection_ = nullptr;
    collection_ = Collection::open(directory_, {.writable = true});
    REQUIRE(collection_->fault().empty());
  }

  void check_search() {
    const auto query = any_value();
    const bool filtered = random_() % 2 == 0;
    const std::size_t k = 1 + random_() % 12;
    std::vector<double> expected;
    for (const auto& [id, value] : model()) {
      if (filtered && value.label != query.label) continue;
      double squares = 0;
      for (std::size_t i = 0; i < kDimension; ++i)
        squares += (value.vector[i] - query.vector[i]) * double{value.vector[i] - query.vector[i]};
      expected.push_back(std::sqrt(squares));
    }
    std::ranges::sort(expected);
    index::Filter filter;
    if (filtered) filter.label = query.label;
    const auto snapshot = collection_->snapshot();
    const auto found = snapshot->search(Matrix{1, kDimension, query.vector}, k, filter);
    for (std::size_t i = 0; i < k; ++i) {
      if (i >= expected.size()) {
        REQUIRE(found.rows[i] == -1);
        continue;
      }
      REQUIRE(found.distances[i] == Approx(expected[i]).margin(1e-5));
      const auto item = copy_of(snapshot->item(found.rows[i]));
      REQUIRE(model().contains(item.id));
      REQUIRE(snapshot->vector(static_cast<std::size_t>(found.rows[i])) == model().at(item.id).vector);
    }
  }

  const std::filesystem::path directory_;
  std::mt19937_64 random_;
  std::unique_ptr<Collection> collection_;
  std::map<std::int64_t, Model> models_;
  std::set<std::int64_t> snapshots_;
  std::int64_t live_ = 1;
};

}  // namespace

TEST_CASE("a collection is a map with versions, whatever is done to it in whatever order") {
  const std::uint64_t seed = GENERATE(take(2, random(1, 1 << 30)));
  CAPTURE(seed);
  test::TempDir dir;
  Machine machine{dir / "ref", seed};
  for (std::size_t step = 0; step < kOperations; ++step) {
    CAPTURE(step);
    machine.step();
    if (step % 100 == 0) machine.check_all();
  }
  machine.check_all();
}
