#include "core/digest.hpp"

#include <cstring>
#include <string_view>

#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;

TEST_CASE("SHA-256 matches the example of FIPS 180-4") {
  const std::string_view text = "abc";
  CHECK(sha256(std::as_bytes(std::span{text.data(), text.size()})) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("a file hashes to the same digest as its bytes, across block borders") {
  test::TempDir dir;
  const std::string text(3'000'001, 'x');
  write_file_atomically(dir / "f", text);
  CHECK(sha256_file(dir / "f") == sha256(std::as_bytes(std::span{text.data(), text.size()})));
}
