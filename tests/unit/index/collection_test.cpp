#include "index/collection.hpp"

#include <unistd.h>

#include <fstream>
#include <random>
#include <set>

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/collections.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using index::Collection;
using index::NewItem;
namespace fs = std::filesystem;

namespace {

using test::item_at;
using test::make_collection;

std::unique_ptr<Collection> open(const fs::path& directory, bool writable = true) {
  return Collection::open(directory, {.writable = writable});
}

std::string nearest(const Collection& collection, float x) {
  const auto snapshot = collection.snapshot();
  const auto found = snapshot->search(Matrix{1, 2, {x, 0}}, 1);
  return found.rows.front() < 0 ? "" : std::string{snapshot->item(found.rows.front()).id};
}

Errc code_of(const std::function<void()>& doing) {
  try {
    doing();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("nothing was thrown");
  return Errc::internal;
}

// The folders of a collection's segments, and what was left there.
std::set<std::string> segments_of(const fs::path& collection) {
  std::set<std::string> found;
  for (const auto& entry : fs::directory_iterator{collection / "versions"})
    found.insert(entry.path().filename().string());
  found.erase(".lock");
  return found;
}

// Version 1, a snapshot of four items, and 2, live, with one more.
std::unique_ptr<index::Collection> two_versions(const fs::path& directory) {
  make_collection(directory, 4);
  auto both = open(directory);
  both->take_snapshot("");
  both->upsert({item_at("a", 50)});
  return both;
}

const auto kFlat = [](index::Segment&, index::Manifest&) { return index::Segment::Attachments{}; };

}  // namespace

TEST_CASE("an item written is found at once and after a restart, with all that came with it") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  {
    auto c = open(dir / "ref");
    auto added = item_at("new", 50);
    added.item = {"new", "odd", "new.png", R"({"line":3})"};
    added.attached = {1.5F, 2.5F};
    const auto written = c->upsert({added});
    CHECK(written.version == 1);
    CHECK(written.revision == 1);
    CHECK(nearest(*c, 49) == "new");
  }
  const auto c = open(dir / "ref");
  CHECK(nearest(*c, 49) == "new");
  const auto found = c->find("new");
  REQUIRE(found);
  CHECK(found->item == index::Item{"new", "odd", "new.png", R"({"line":3})"});
  CHECK(found->vector == std::vector<float>{50, 0});
  CHECK(c->snapshot()->attached(3)[1] == 2.5F);
  CHECK(c->snapshot()->size() == 4);
}

TEST_CASE("an item replaced is found by its new vector only, one removed not at all") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  auto c = open(dir / "ref");
  const auto before = c->snapshot();
  c->upsert({item_at("1", 90)});
  std::size_t removed = 0;
  c->remove(std::vector<std::string>{"2", "nobody"}, &removed);
  CHECK(removed == 1);
  CHECK(nearest(*c, 91) == "1");
  CHECK(nearest(*c, 1) == "0");
  CHECK_FALSE(c->find("2"));
  CHECK(c->snapshot()->size() == 2);
  CHECK(before->size() == 3);  // who began before goes on with what was there
  CHECK(before->item(before->search(Matrix{1, 2, {2, 0}}, 1).rows.front()).id == "2");
}

TEST_CASE("a search for a label finds items of that label only, in segment and tail") {
  test::TempDir dir;
  make_collection(dir / "ref", 10);  // labels even, odd
  auto c = open(dir / "ref");
  auto near = item_at("near", 3.1F);
  near.item.label = "odd";
  c->upsert({near});
  c->remove(std::vector<std::string>{"3"});
  const auto snapshot = c->snapshot();
  const auto ids = [&](const char* label, float x) {
    std::string text;
    const auto found = snapshot->search(Matrix{1, 2, {x, 0}}, 3, {.label = label});
    for (const auto row : found.rows) text += row < 0 ? "-" : std::string{snapshot->item(row).id} + " ";
    return text;
  };
  CHECK(ids("odd", 3) == "near 1 5 ");
  CHECK(ids("even", 3) == "2 4 0 ");
  CHECK(ids("none", 3) == "---");
}

TEST_CASE("a snapshot never changes: the write after it goes on in a new version, and both can be activated") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  auto c = open(dir / "ref");
  c->upsert({item_at("a", 50)});
  CHECK(c->take_snapshot("before the new camera") == 1);
  const auto written = c->upsert({item_at("b", 60)});
  CHECK(written.version == 2);
  CHECK(c->snapshot()->size() == 5);
  c->activate(1);
  CHECK(c->snapshot()->version() == 1);
  CHECK(c->snapshot()->size() == 4);
  CHECK(nearest(*c, 60) == "a");
  c = nullptr;
  c = open(dir / "ref");
  CHECK(c->snapshot()->id() == "toys@1");
  c->activate(2);
  CHECK(nearest(*c, 60) == "b");
  CHECK(c->load(1)->size() == 4);
  CHECK(c->versions().size() == 2);
  CHECK(c->versions().front().record.note == "before the new camera");
  CHECK(code_of([&] { c->activate(7); }) == Errc::not_found);
}

TEST_CASE("compaction keeps the living items, numbers a new version, and can be rolled back") {
  test::TempDir dir;
  make_collection(dir / "ref", 4);
  auto c = open(dir / "ref");
  c->upsert({item_at("a", 50), item_at("1", 40)});
  c->remove(std::vector<std::string>{"0"});
  CHECK(c->compact(kFlat) == 2);
  CHECK(c->snapshot()->id() == "toys@2");
  CHECK(c->snapshot()->base().size() == 4);
  CHECK(c->changes() == 0);
  CHECK(nearest(*c, 41) == "1");
  CHECK_FALSE(c->find("0"));
  c->upsert({item_at("late", 70)});
  c->activate(1);
  CHECK(nearest(*c, 70) == "a");
  CHECK(c->prune(0) == std::vector<std::int64_t>{2});
  CHECK_FALSE(fs::exists(dir / "ref" / "versions" / "2"));
  c = nullptr;
  CHECK(open(dir / "ref")->snapshot()->size() == 4);
  CHECK(index::verify_collection(dir / "ref").empty());
}

TEST_CASE("what is written while a compaction runs is on top of its result") {
  test::TempDir dir;
  make_collection(dir / "ref", 4);
  auto c = open(dir / "ref");
  c->upsert({item_at("a", 50)});
  c->compact([&](index::Segment& items, index::Manifest&) {
    CHECK(items.size() == 5);
    c->upsert({item_at("meanwhile", 60), item_at("a", 55)});
    c->remove(std::vector<std::string>{"0"});
    CHECK(code_of([&] { c->compact(kFlat); }) == Errc::conflict);
    return index::Segment::Attachments{};
  });
  CHECK(c->snapshot()->version() == 2);
  CHECK(nearest(*c, 60) == "meanwhile");
  CHECK(c->find("a")->vector.front() == 55);
  CHECK_FALSE(c->find("0"));
  c = nullptr;
  c = open(dir / "ref");
  CHECK(c->snapshot()->size() == 5);
  CHECK(c->find("a")->vector.front() == 55);
}

TEST_CASE("a compaction whose version was left meanwhile does not go live") {
  test::TempDir dir;
  const auto c = two_versions(dir / "ref");
  const auto compacted = c->compact([&](index::Segment&, index::Manifest&) {
    c->activate(1);
    return index::Segment::Attachments{};
  });
  CHECK(c->snapshot()->version() == 1);
  CHECK(c->load(compacted)->size() == 5);
}

TEST_CASE(
    "a removed item's bytes are in no file of the compacted version, and in no file at all once the old one is "
    "pruned") {
  test::TempDir dir;
  make_collection(dir / "ref", 4);
  auto c = open(dir / "ref");
  const float secret = 1234.5678F;
  c->upsert({{{"secret", "", "", {}}, {secret, -secret}, {}}});
  CHECK(index::traces_of(dir / "ref", "secret").in_live.size() == 1);
  c->compact(kFlat);
  c->remove(std::vector<std::string>{"secret"});
  CHECK(index::traces_of(dir / "ref", "secret").in_live.size() == 3);  // the item, its removal, its bytes
  c->compact(kFlat);
  const auto traces = index::traces_of(dir / "ref", "secret");
  CHECK(traces.in_live.empty());
  CHECK(traces.in_others.size() == 3);
  c->prune(0);
  CHECK(index::traces_of(dir / "ref", "secret").in_others.empty());
  const std::vector<float> bytes{secret, -secret};
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  for (const auto& entry : fs::recursive_directory_iterator{dir / "ref"}) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path());
    const auto file = read_file(entry.path());
    CHECK(std::search(file.begin(), file.end(), first, first + sizeof(float) * bytes.size()) == file.end());
    CHECK(std::string{file.begin(), file.end()}.find("secret") == std::string::npos);
  }
}

TEST_CASE("metadata as deep as is allowed survives a compaction, deeper metadata is refused") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  auto c = open(dir / "ref");
  const auto nested = [](std::size_t depth) {
    auto item = item_at("deep", 1);
    for (std::size_t i = 0; i < depth; ++i) item.item.metadata += R"({"a":)";
    item.item.metadata += "1" + std::string(depth, '}');
    return item;
  };
  CHECK(code_of([&] { c->upsert({nested(index::kMaxDepth + 1)}); }) == Errc::invalid_argument);
  c->upsert({nested(index::kMaxDepth)});
  c->compact(kFlat);
  CHECK(c->find("deep")->item == nested(index::kMaxDepth).item);
}

TEST_CASE("bad items and full versions are refused, and nothing of their batch is kept") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  auto c = Collection::open(dir / "ref", {.writable = true, .max_changes = 2});
  auto nan = item_at("nan", 1);
  nan.vector[1] = std::nanf("");
  auto text = item_at("text", 1);
  text.item.metadata = "[1]";
  CHECK(code_of([&] { c->upsert({item_at("x", 1), nan}); }) == Errc::invalid_argument);
  CHECK(code_of([&] { c->upsert({item_at("x", 1), text}); }) == Errc::invalid_argument);
  CHECK(code_of([&] { c->upsert({item_at("x", 1), item_at("", 1)}); }) == Errc::invalid_argument);
  CHECK(code_of([&] { c->upsert({{{"x", "", "", {}}, {1, 2, 3}, {}}}); }) == Errc::invalid_argument);
  CHECK(code_of([&] { c->upsert({item_at("x", 1), item_at("y", 2), item_at("z", 3)}); }) == Errc::overloaded);
  CHECK(c->snapshot()->size() == 3);
  CHECK(c->changes() == 0);
}

TEST_CASE("a compaction that fails leaves nothing behind and the reference as it was") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  auto c = open(dir / "ref");
  c->upsert({item_at("new", 50)});
  CHECK_THROWS_AS(
      c->compact([](index::Segment&, index::Manifest&) { return index::Segment::Attachments{{"no/such", {1}}}; }),
      Error);
  CHECK(nearest(*c, 49) == "new");
  CHECK(segments_of(dir / "ref") == std::set<std::string>{"1"});
  CHECK(c->compact(kFlat) == 3);
}

TEST_CASE("a compaction whose version was pruned meanwhile says so and leaves nothing behind") {
  test::TempDir dir;
  const auto c = two_versions(dir / "ref");
  const auto code = code_of([&] {
    c->compact([&](index::Segment&, index::Manifest&) {
      c->activate(1);
      CHECK(c->prune(0) == std::vector<std::int64_t>{2});
      return index::Segment::Attachments{};
    });
  });
  CHECK(code == Errc::conflict);
  CHECK(segments_of(dir / "ref") == std::set<std::string>{"1"});
  CHECK(c->snapshot()->version() == 1);
}

TEST_CASE("where nobody may write, a writer is refused and a reader is served") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  fs::permissions(dir.path(), fs::perms{0755});
  fs::permissions(dir / "ref", fs::perms{0555});
  struct Nobody {  // root may write everywhere
    Nobody() { REQUIRE((root == 0 ? ::seteuid(65534) : 0) == 0); }
    ~Nobody() {
      if (root == 0) (void)!::seteuid(0);
    }
    const uid_t root = ::geteuid();
  };
  {
    const Nobody nobody;
    CHECK(code_of([&] { (void)open(dir / "ref"); }) == Errc::conflict);
    CHECK(open(dir / "ref", false)->snapshot()->size() == 3);
  }
  fs::permissions(dir / "ref", fs::perms{0755});
}

TEST_CASE("one process writes; others read") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  const auto writer = open(dir / "ref");
  CHECK(code_of([&] { (void)open(dir / "ref"); }) == Errc::conflict);
  const auto reader = open(dir / "ref", false);
  CHECK(reader->snapshot()->size() == 3);
  CHECK(code_of([&] { reader->upsert({item_at("x", 1)}); }) == Errc::conflict);
}

TEST_CASE("a version built beside the live one waits for its activation") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  const auto c = open(dir / "ref");
  const auto built = test::segment_of_size(7);
  CHECK(Collection::add_version(dir / "ref", built, test::toys(), {}, "bigger", false) == 2);
  CHECK(code_of([&] { Collection::add_version(dir / "ref", built, test::toys(), {}, "", true); }) == Errc::conflict);
  CHECK(c->snapshot()->size() == 3);
  CHECK(c->versions().back().record.note == "bigger");
  CHECK(c->activate(2)->size() == 7);
}

TEST_CASE("a single segment opens for reading") {
  test::TempDir dir;
  test::segment_of_size(5).write(dir / "one", test::toys(), {});
  const auto c = open(dir / "one");
  CHECK(c->snapshot()->id() == "toys@1");
  CHECK(nearest(*c, 4) == "4");
  CHECK(code_of([&] { c->upsert({item_at("x", 1)}); }) == Errc::conflict);
}

TEST_CASE("a flipped bit of any file is found, or changes nothing; the version before serves") {
  test::TempDir dir;
  const unsigned seed = GENERATE(take(1, random(1, 1 << 30)));
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  make_collection(dir / "ref", 40);
  {
    auto c = open(dir / "ref");
    c->upsert({item_at("a", 50)});
    c->compact(kFlat);
    c->upsert({item_at("b", 60), item_at("c", 70)});
    c->remove(std::vector<std::string>{"0"});
  }
  const auto sound = [&](const Collection& c) {
    return nearest(c, 60) == "b" && nearest(c, 0) == "1" && c.snapshot()->size() == 42 && c.versions().size() == 2;
  };
  std::size_t detected = 0;
  for (const auto* file : {"catalog.db", "versions/2/vectors.faiss", "versions/2/items.jsonl",
                           "versions/2/reference.json", "versions/2/SHA256SUMS"}) {
    const auto path = dir / "ref" / file;
    const auto original = read_file(path);
    for (int i = 0; i < 60; ++i) {
      const auto bit = random() % (original.size() * 8);
      CAPTURE(file, bit);
      auto bytes = original;
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                                  static_cast<std::streamsize>(bytes.size()));
      try {
        const auto c = open(dir / "ref");
        if (c->fault().empty()) {
          CHECK(sound(*c));  // a byte that holds nothing
        } else {
          ++detected;
          const auto name = fs::path{file}.filename().string();
          // A damaged list of checksums speaks of the file whose checksum it was.
          CHECK(c->fault().find(name == "SHA256SUMS" ? "versions/2" : name) != std::string::npos);
          CHECK(c->snapshot()->size() >= 40);
          CHECK(code_of([&] { c->upsert({item_at("x", 1)}); }) == Errc::conflict);
        }
      } catch (const Error& error) {
        ++detected;
        CHECK(std::string{file} == "catalog.db");  // its format number may say anything
        CHECK(error.code() == Errc::invalid_argument);
      }
      fs::remove(dir / "ref" / "catalog.db-wal");
      fs::remove(dir / "ref" / "catalog.db-shm");
      std::ofstream{path, std::ios::binary}.write(reinterpret_cast<const char*>(original.data()),
                                                  static_cast<std::streamsize>(original.size()));
    }
  }
  CAPTURE(detected);
  CHECK(detected > 240);
  CHECK(sound(*open(dir / "ref")));
}

TEST_CASE("leftovers of a build that was cut off are removed; a newer catalog is refused") {
  test::TempDir dir;
  make_collection(dir / "ref", 3);
  fs::create_directories(dir / "ref" / "versions" / "9");
  fs::create_directories(dir / "ref" / "versions" / "10.building");
  (void)open(dir / "ref");
  CHECK_FALSE(fs::exists(dir / "ref" / "versions" / "9"));
  CHECK_FALSE(fs::exists(dir / "ref" / "versions" / "10.building"));
  sqlite::Database{dir / "ref" / "catalog.db", sqlite::Database::Mode::write, "catalog"}.execute(
      "PRAGMA user_version = 2");
  CHECK(code_of([&] { (void)open(dir / "ref"); }) == Errc::invalid_argument);
}
