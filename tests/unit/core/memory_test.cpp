#include "core/memory.hpp"

#include <fstream>
#include <string>

#include "tests/support/catch.hpp"

using namespace driftd;

namespace {

// KiB of a field of /proc/self/status.
long status(const std::string& name) {
  std::ifstream in{"/proc/self/status"};
  for (std::string word; in >> word;) {
    long value = 0;
    if (word == name + ":" && in >> value) return value;
  }
  return -1;
}

}  // namespace

TEST_CASE("the pages of program files go when start-up is over, and come back as they are needed") {
  std::ifstream{"/nowhere"}.get();  // code and data of the libraries are in memory
  const long before = status("RssFile");
  release_start_up_memory();
  const long after = status("RssFile");
  CAPTURE(before, after);
  CHECK(after > 0);
  CHECK(after < before);
  CHECK(std::to_string(1.5) == "1.500000");
}

TEST_CASE("memory is given back while the process works, once more when it rests, and then no more") {
  HeapTrim trim;
  CHECK_FALSE(trim.look(0.01));  // nothing was done yet
  CHECK(trim.look(0.5));
  CHECK(trim.look(1.4));
  CHECK(trim.look(1.41));        // what was freed since
  CHECK_FALSE(trim.look(1.42));  // still at rest
  CHECK(trim.look(2.0));
  CHECK(trim.look(2.0));
  CHECK_FALSE(trim.look(2.0));
}
