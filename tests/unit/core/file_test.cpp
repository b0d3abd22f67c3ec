#include "core/file.hpp"

#include <sys/stat.h>

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
namespace fs = std::filesystem;

TEST_CASE("an atomic write replaces the file and leaves no temporary behind") {
  test::TempDir dir;
  write_file_atomically(dir / "a", "one");
  write_file_atomically(dir / "a", "two");
  CHECK(read_text(dir / "a") == "two");
  CHECK_FALSE(fs::exists(dir / "a.tmp"));
}

TEST_CASE("reading refuses a missing file, a directory and a file over the limit") {
  test::TempDir dir;
  write_file_atomically(dir / "a", "12345");
  CHECK(read_file(dir / "a", 5).size() == 5);
  const auto code_of = [](auto read) {
    try {
      read();
    } catch (const Error& error) {
      return error.code();
    }
    return Errc::internal;
  };
  CHECK(code_of([&] { (void)read_file(dir / "a", 4); }) == Errc::too_large);
  CHECK(code_of([&] { (void)read_file(dir / "b"); }) == Errc::not_found);
  CHECK(code_of([&] { (void)read_file(dir.path()); }) == Errc::not_found);
}

TEST_CASE("a directory is published whole and never over another") {
  test::TempDir dir;
  fs::create_directory(dir / "staging");
  write_file_atomically(dir / "staging" / "a", "x");
  publish_directory(dir / "staging", dir / "final");
  CHECK(read_text(dir / "final" / "a") == "x");
  fs::create_directory(dir / "staging");
  CHECK_THROWS_AS(publish_directory(dir / "staging", dir / "final"), Error);
}

TEST_CASE("asking for a file ahead waits for nothing, whatever the path names") {
  test::TempDir dir;
  write_file_atomically(dir / "a", "12345");
  REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);  // to open it for reading would wait for a writer
  for (const char* name : {"a", "pipe", "missing", "."}) read_ahead(dir / name);
  CHECK(read_text(dir / "a") == "12345");
}
