#include "api/image_source.hpp"

#include <filesystem>

#include "api/csv.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;
namespace fs = std::filesystem;

namespace {

void touch(const fs::path& path) {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, "x");
}

}  // namespace

TEST_CASE("a folder is read in a fixed order, its first level being the labels") {
  test::TempDir dir;
  for (const auto* name : {"b/2.png", "a/1.png", "a/deep/3.png", "root.png", ".hidden/4.png", "a/.5.png"})
    touch(dir / name);
  const auto sources = list_images(dir.path().string());
  REQUIRE(sources.size() == 4);
  CHECK(sources[0].uri == "a/1.png");
  CHECK(sources[1].uri == "a/deep/3.png");
  CHECK(sources[1].label == "a");
  CHECK(sources[3].uri == "root.png");
  CHECK(sources[3].label.empty());
}

TEST_CASE("a list gives paths relative to itself, with labels after a tab") {
  test::TempDir dir;
  write_file_atomically(dir / "list.txt", "x/1.png\tshoe\r\n# a comment\n\n2.png\n");
  const auto sources = list_images((dir / "list.txt").string());
  REQUIRE(sources.size() == 2);
  CHECK(sources[0].path == dir / "x/1.png");
  CHECK(sources[0].label == "shoe");
  CHECK(sources[1].uri == "2.png");
}

TEST_CASE("an empty or missing place is an error that names it") {
  test::TempDir dir;
  CHECK_THROWS_WITH(list_images(dir.path().string()), Catch::Contains("names no file"));
  CHECK_THROWS_WITH(list_images("/nowhere/at/all"), Catch::Contains("/nowhere/at/all"));
}

TEST_CASE("CSV cells with commas, quotes and line breaks are quoted") {
  CHECK(csv_row({"a", "b,c", "d\"e", "f\ng", ""}) == "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n");
}
