#include "core/thread.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "tests/support/catch.hpp"

using namespace driftd;

namespace {

std::string name_of_this_thread() {
  std::ifstream file{"/proc/thread-self/comm"};
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

TEST_CASE("a thread begins with its creator's name, which may be another for as long as it creates a pool") {
  std::thread{[] {
    name_thread("creator");
    std::string of_pool;
    std::string of_its_child;
    {
      const NewThreadsNamed named{"pool"};
      std::thread{[&] {
        of_pool = name_of_this_thread();
        std::thread{[&] { of_its_child = name_of_this_thread(); }}.join();
      }}.join();
    }
    CHECK(of_pool == "pool");
    CHECK(of_its_child == "pool");
    CHECK(name_of_this_thread() == "creator");
    name_thread("a name that is too long");
    CHECK(name_of_this_thread() == "a name that is ");
  }}.join();
}

TEST_CASE("a lower priority is the thread's own") {
  const auto priority = [] { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); };
  const int before = priority();
  std::thread{[&] {
    lower_thread_priority();
    CHECK(priority() == std::max(before, 10));
  }}.join();
  CHECK(priority() == before);
}
