// A collection of catalog format 1 and segment format 1, kept in tests/golden: what was written once is read for good.
#include <cmath>
#include <fstream>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/sqlite.hpp"
#include "index/collection.hpp"
#include "index/manifest.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/collections.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using index::Collection;
namespace fs = std::filesystem;

namespace {

const fs::path kGolden = fs::path{DRIFTD_GOLDEN} / "collection-1";
const fs::path kGoldenCosine = fs::path{DRIFTD_GOLDEN} / "collection-2";

fs::path copy_of_golden(const test::TempDir& dir) {
  fs::copy(kGolden, dir / "ref", fs::copy_options::recursive);
  return dir / "ref";
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream{file, std::ios::binary | std::ios::trunc} << text;
}

std::string reason_to_refuse(const fs::path& directory) {
  try {
    (void)Collection::open(directory, {});
  } catch (const Error& error) {
    CHECK(error.code() == Errc::invalid_argument);
    return error.what();
  }
  FAIL("it was opened");
  return {};
}

index::NewItem changed_item() {
  auto added = test::item_at("new", 50);
  added.item = {"new", "odd", "n/new.png", R"({"line":3,"shift":["a",null]})"};
  added.attached = {1.5F, 2.5F};
  return added;
}

}  // namespace

// test_index "[make_golden]" makes the files anew, once tests/golden/collection-1 is removed: only for a new format.
TEST_CASE("make the golden collection", "[.][make_golden]") {
  index::Segment items{2};
  items.add({{"a", "even", "l/a.png", ""}, {"b", "odd", "r/b.png", R"({"line":1})"}, {"c", "even", "", ""}},
            Matrix{3, 2, {0, 0, 1, 0.5F, 2, 0}});
  auto manifest = test::toys();
  manifest.model_name = "tiny";
  Collection::create(kGolden, items, manifest, {{"extra.bin", {1, 2, 3}}}, "the first");
  auto c = Collection::open(kGolden, {.writable = true, .now = [] { return "2026-01-02T00:00:00Z"; }});
  c->take_snapshot("as built");
  c->upsert({changed_item()});
  c->remove(std::vector<std::string>{"c"});
  c.reset();
  for (const auto* lock : {"LOCK", "versions/.lock"}) fs::remove(kGolden / lock);  // they name a process
}

// The same for segment format 2.
TEST_CASE("make the golden collection with the metric cosine", "[.][make_golden_cosine]") {
  index::Segment items{2, index::Metric::cosine};
  items.add({{"a", "even", "l/a.png", ""}, {"b", "odd", "r/b.png", ""}}, Matrix{2, 2, {3, 4, 0, 5}});
  Collection::create(kGoldenCosine, items, test::toys(), {}, "the first");
  auto c = Collection::open(kGoldenCosine, {.writable = true});
  c->upsert({changed_item()});
  c.reset();
  for (const auto* lock : {"LOCK", "versions/.lock"}) fs::remove(kGoldenCosine / lock);
}

TEST_CASE("a collection of segment format 2 reads as it was written") {
  test::TempDir dir;
  fs::copy(kGoldenCosine, dir / "ref", fs::copy_options::recursive);
  CHECK(index::verify_collection(dir / "ref").empty());
  const auto c = Collection::open(dir / "ref", {});
  REQUIRE(c->fault() == "");
  CHECK(c->snapshot()->manifest().metric == index::Metric::cosine);
  CHECK(c->find("a")->vector == std::vector<float>{0.6F, 0.8F});
  CHECK(c->find("new")->vector == std::vector<float>{1, 0});
  const auto found = c->snapshot()->search(Matrix{1, 2, {7, 0}}, 3);
  CHECK(found.rows == std::vector<std::int64_t>{2, 0, 1});
  CHECK(found.distances[2] == Approx(std::sqrt(2.0)));
}

TEST_CASE("a collection of format 1 reads as it was written") {
  test::TempDir dir;
  const auto directory = copy_of_golden(dir);
  CHECK(index::verify_collection(directory).empty());
  const bool writable = GENERATE(false, true);
  const auto c = Collection::open(directory, {.writable = writable});
  REQUIRE(c->fault() == "");
  const auto live = c->snapshot();
  CHECK(live->id() == "toys@2");
  CHECK(live->manifest().model_name == "tiny");
  CHECK(live->base().attachment("extra.bin") == std::vector<std::uint8_t>{1, 2, 3});
  CHECK(live->size() == 3);
  CHECK(live->attached(3)[1] == 2.5F);
  CHECK_FALSE(c->find("c"));
  const auto b = c->find("b");
  REQUIRE(b);
  CHECK(b->item == index::Item{"b", "odd", "r/b.png", R"({"line":1})"});
  CHECK(b->vector == std::vector<float>{1, 0.5F});
  const auto added = c->find("new");
  REQUIRE(added);
  CHECK(added->item == changed_item().item);
  CHECK(added->vector == std::vector<float>{50, 0});
  const auto found = live->search(Matrix{1, 2, {3, 0}}, 3);
  CHECK(live->item(found.rows[0]).id == "b");
  CHECK(found.distances[0] == Approx(std::sqrt(4.25)));
  CHECK(live->item(found.rows[2]).id == "new");

  const auto before = c->load(1);
  CHECK(before->size() == 3);
  CHECK(before->item(before->search(Matrix{1, 2, {3, 0}}, 1).rows.front()).id == "c");
  const auto versions = c->versions();
  REQUIRE(versions.size() == 2);
  CHECK(versions[0].record.snapshot);
  CHECK(versions[0].record.note == "as built");
  CHECK(versions[1].record.created == "2026-01-02T00:00:00Z");
  CHECK(versions[1].record.changes == 2);
}

TEST_CASE("a segment of format 1 by itself, as earlier builds made it, is a reference to read") {
  test::TempDir dir;
  const auto c = Collection::open(copy_of_golden(dir) / "versions" / "1", {.writable = true});
  CHECK(c->snapshot()->id() == "toys@1");
  CHECK(c->find("c"));
  CHECK_THROWS_AS(c->remove(std::vector<std::string>{"c"}), Error);
}

TEST_CASE("a catalog of a newer format is refused with both formats named") {
  test::TempDir dir;
  const auto directory = copy_of_golden(dir);
  sqlite::Database{directory / "catalog.db", sqlite::Database::Mode::write, "catalog.db"}.execute(
      "PRAGMA user_version = 2");
  CHECK_THAT(reason_to_refuse(directory),
             Catch::Contains("catalog.db has format 2") && Catch::Contains("reads up to format 1"));
}

TEST_CASE("a segment of a newer format is refused with both formats named") {
  test::TempDir dir;
  const auto directory = copy_of_golden(dir);
  const auto segment = directory / "versions" / "1";
  auto manifest = read_text(segment / "reference.json");
  const std::string format = R"("format":1)";
  REQUIRE(manifest.find(format) != std::string::npos);
  manifest.replace(manifest.find(format), format.size(), R"("format":3)");
  write_text(segment / "reference.json", manifest);
  write_text(segment / "SHA256SUMS", index::sums_of(segment));
  CHECK_THAT(reason_to_refuse(directory), Catch::Contains("has format 3") && Catch::Contains("reads formats 1 to 2"));
}
