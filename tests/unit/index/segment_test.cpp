#include "index/segment.hpp"

#include <fstream>
#include <random>

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using index::Segment;
namespace fs = std::filesystem;

namespace {

Segment small_segment() {
  Segment c{2};
  c.add({{"a", "left", "l/a.png"}, {"b", "right", "r/b.png"}}, Matrix{2, 2, {0, 0, 1, 0}});
  return c;
}

void flip_bit(const fs::path& file, std::uint64_t bit) {
  auto bytes = read_file(file);
  bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
  std::ofstream{file, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                              static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("a segment comes back as it was written") {
  test::TempDir dir;
  small_segment().write(dir / "ref", {.name = "toys", .version = 3, .model_hash = "m"}, {{"extra.bin", {1, 2, 3}}});
  const auto c = Segment::open(dir / "ref");
  CHECK(c.manifest().id() == "toys@3");
  CHECK(c.size() == 2);
  CHECK(c.item(1).label == "right");
  CHECK(c.attachment("extra.bin") == std::vector<std::uint8_t>{1, 2, 3});
  CHECK(c.search(Matrix{1, 2, {0.9F, 0}}, 1).rows.front() == 1);
  CHECK(index::verify(dir / "ref").empty());
}

TEST_CASE("opening tells the share of the bytes that is verified, up to all of them") {
  test::TempDir dir;
  small_segment().write(dir / "ref", {}, {{"large.bin", std::vector<std::uint8_t>(3 << 20)}});
  std::vector<double> shares;
  (void)Segment::open(dir / "ref", [&](double share) { shares.push_back(share); });
  REQUIRE(shares.size() > 6);
  CHECK(std::ranges::is_sorted(shares));
  CHECK((shares.front() > 0 && shares.front() < 1));
  CHECK(shares.back() == 1);
}

TEST_CASE("any flipped bit of any file is detected before the file is used") {
  test::TempDir dir;
  const unsigned seed = GENERATE(take(1, random(1, 1 << 30)));
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  small_segment().write(dir / "ref", {}, {{"extra.bin", {1, 2, 3}}});
  for (const auto& entry : fs::directory_iterator{dir / "ref"}) {
    for (int i = 0; i < 40; ++i) {
      const auto bit = random() % (fs::file_size(entry) * 8);
      CAPTURE(entry.path(), bit);
      flip_bit(entry, bit);
      CHECK_THROWS_AS(Segment::open(dir / "ref"), Error);
      CHECK_FALSE(index::verify(dir / "ref").empty());
      flip_bit(entry, bit);
    }
  }
  CHECK(index::verify(dir / "ref").empty());
}

TEST_CASE("a missing or shortened file is named") {
  test::TempDir dir;
  small_segment().write(dir / "ref", {}, {});
  fs::resize_file(dir / "ref" / "vectors.faiss", 40);
  fs::remove(dir / "ref" / "items.jsonl");
  CHECK(index::verify(dir / "ref") ==
        std::vector<std::string>{"items.jsonl is missing", "vectors.faiss differs from its checksum"});
}

TEST_CASE("writing never replaces a reference, and ids must be unique") {
  test::TempDir dir;
  auto c = small_segment();
  c.write(dir / "ref", {}, {});
  CHECK_THROWS_AS(c.write(dir / "ref", {}, {}), Error);
  CHECK_THROWS_WITH(c.add({{"a", "", ""}}, Matrix{1, 2, {5, 5}}), "the item id \"a\" is used twice");
}

TEST_CASE("a folder that is no reference says how to make one") {
  test::TempDir dir;
  CHECK_THROWS_WITH(Segment::open(dir.path()), Catch::Contains("driftd index build"));
}
