#include "core/memory.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstddef>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

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

TEST_CASE("memory that was freed goes back to the system") {
  const std::size_t allocated = allocated_bytes();
  if (allocated == 0) {
    WARN("skipped: sanitizers have a heap of their own");
    return;
  }
  constexpr std::size_t kBytes = 64 << 20;
  auto block = std::make_unique<std::vector<char>>(kBytes, 'x');
  const long used = status("RssAnon");
  CHECK(allocated_bytes() >= allocated + kBytes);
  block.reset();
  long after = used;
  // jemalloc's own thread may be about to do it, and leaves the call nothing to do.
  for (int i = 0; i < 1000 && after >= used - static_cast<long>(kBytes / 1024 / 2); ++i) {
    release_start_up_memory();
    after = status("RssAnon");
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  CAPTURE(used, after);
  CHECK(after < used - static_cast<long>(kBytes / 1024 / 2));
  CHECK(allocated_bytes() < allocated + kBytes);
}

TEST_CASE("what is freed and asked for again at once is not paid for again, however large") {
  if (allocated_bytes() == 0) {
    WARN("skipped: sanitizers have a heap of their own");
    return;
  }
  constexpr std::size_t kBytes = 16 << 20;
  const auto faults = [] {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return used.ru_minflt;
  };
  const auto use = [] { CHECK(std::make_unique<std::vector<char>>(std::size_t{kBytes}, 'x')->back() == 'x'); };
  use();
  const long before = faults();
  for (int time = 0; time < 10; ++time) use();
  CHECK(faults() - before < static_cast<long>(10 * kBytes / 4096 / 4));
}
