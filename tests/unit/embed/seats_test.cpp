#include "embed/seats.hpp"

#include <barrier>
#include <set>
#include <thread>
#include <vector>

#include "core/guarded.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using embed::Seats;

namespace {

cpu_set_t allowed() {
  cpu_set_t cores;
  REQUIRE(sched_getaffinity(0, sizeof(cores), &cores) == 0);
  return cores;
}

int count_allowed() {
  const auto cores = allowed();
  return CPU_COUNT(&cores);
}

}  // namespace

TEST_CASE("threads that sit at the same time have cores of their own, also when they begin on one") {
  const int threads = std::min(count_allowed(), 8);
  if (threads < 2) {
    WARN("skipped: one core");
    return;
  }
  Seats seats;
  for (int round = 0; round < 50; ++round) {
    std::barrier<> all{threads};
    Guarded<std::multiset<int>> cores;
    std::vector<std::jthread> sitting;
    for (int i = 0; i < threads; ++i) {
      sitting.emplace_back([&] {
        const cpu_set_t before = [] {
          cpu_set_t set;
          sched_getaffinity(0, sizeof(set), &set);
          return set;
        }();
        cpu_set_t first;  // all begin there, as if they were woken there
        CPU_ZERO(&first);
        for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&first) == 0; ++core)
          if (CPU_ISSET(core, &before)) CPU_SET(core, &first);
        sched_setaffinity(0, sizeof(first), &first);
        sched_setaffinity(0, sizeof(before), &before);
        const Seats::Seat seat{seats};
        all.arrive_and_wait();
        cores.with([](auto& found) { found.insert(sched_getcpu()); });
        all.arrive_and_wait();
      });
    }
    sitting.clear();
    cores.with([&](const auto& found) {
      REQUIRE(std::set<int>(found.begin(), found.end()).size() == static_cast<std::size_t>(threads));
    });
  }
}

TEST_CASE("who gets up may run where it might before, and its core is free again") {
  const auto before = allowed();
  Seats seats;
  for (int i = 0; i < 100; ++i) {
    const Seats::Seat seat{seats};
    CHECK(count_allowed() == 1);
  }
  const auto after = allowed();
  CHECK(CPU_EQUAL(&before, &after));
}

TEST_CASE("where all cores are taken a thread stays as it was") {
  Seats seats;
  const int cores = count_allowed();
  std::barrier<> all{cores + 1};
  std::vector<std::jthread> sitting;
  for (int i = 0; i < cores; ++i) {
    sitting.emplace_back([&] {
      const Seats::Seat seat{seats};
      all.arrive_and_wait();
      all.arrive_and_wait();
    });
  }
  all.arrive_and_wait();
  {
    const Seats::Seat none{seats};
    CHECK(count_allowed() == cores);
  }
  CHECK(count_allowed() == cores);
  all.arrive_and_wait();
}
