// A process for collection_kill_test.py to kill: changes a collection at random, and tells before and after each
// change.
//
//   store_probe DIR make           a new collection
//   store_probe DIR change SEED    prints "try ..." before and "ok" after each change, until it is killed
//   store_probe DIR dump           prints "id value" of each item of the live version, then "sound" or the faults
#include <iostream>
#include <random>
#include <string>

#include "core/error.hpp"
#include "index/collection.hpp"
#include "tests/support/collections.hpp"

using namespace driftd;

namespace {

void change(index::Collection& collection, std::mt19937_64& random) {
  const auto dice = random() % 100;
  const auto id = [&] { return "item-" + std::to_string(random() % 300); };
  if (dice < 60) {
    std::vector<index::NewItem> items;
    std::cout << "try put";
    for (auto n = 1 + random() % 4; n > 0; --n) {
      items.push_back(test::item_at(id(), static_cast<float>(random() % 100'000)));
      std::cout << ' ' << items.back().item.id << ' ' << items.back().vector[0];
    }
    std::cout << std::endl;
    collection.upsert(std::move(items));
  } else if (dice < 85) {
    const auto gone = id();
    std::cout << "try remove " << gone << std::endl;
    collection.remove(std::vector<std::string>{gone});
  } else if (dice < 92) {
    std::cout << "try same compact" << std::endl;
    collection.compact([](index::Segment&, index::Manifest&) { return index::Segment::Attachments{}; });
  } else if (dice < 96) {
    std::cout << "try same snapshot" << std::endl;
    collection.take_snapshot("");
  } else {
    std::cout << "try same prune" << std::endl;
    const auto versions = collection.versions();
    for (const auto& version : versions) {
      if (version.record.snapshot) collection.drop_snapshot(version.record.version);
    }
    collection.prune(random() % 3);
  }
  std::cout << "ok" << std::endl;
}

void dump(const std::filesystem::path& directory) {
  const auto collection = index::Collection::open(directory, {.writable = true});
  if (!collection->fault().empty()) std::cout << "fault " << collection->fault() << '\n';
  const auto snapshot = collection->snapshot();
  for (std::size_t row = 0; row < snapshot->rows(); ++row) {
    if (snapshot->alive(row))
      std::cout << snapshot->item(static_cast<std::int64_t>(row)).id << ' ' << snapshot->vector(row)[0] << '\n';
  }
  const auto faults = index::verify_collection(directory);
  for (const auto& fault : faults) std::cout << "fault " << fault << '\n';
  if (faults.empty()) std::cout << "sound\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 2 ? argv[2] : "";
  try {
    if (what == "make") {
      test::make_collection(argv[1], 20);
    } else if (what == "dump") {
      dump(argv[1]);
    } else if (what == "change" && argc > 3) {
      const auto collection = index::Collection::open(argv[1], {.writable = true});
      std::mt19937_64 random{std::stoull(argv[3])};
      for (;;) change(*collection, random);
    } else {
      std::cerr << "usage: store_probe DIR make|dump|change SEED\n";
      return 2;
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "store_probe: " << error.what() << '\n';
    return 1;
  }
}
