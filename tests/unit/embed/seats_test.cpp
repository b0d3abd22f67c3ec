#include "embed/seats.hpp"

#include <atomic>
#include <barrier>
#include <set>
#include <thread>
#include <vector>

#include <unistd.h>

#include "core/core_set.hpp"
#include "core/guarded.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using embed::Seats;

namespace {

int count_allowed() {
  return static_cast<int>(CoreSet::of_caller().size());
}

int first_of(const CoreSet& cores) {
  int core = 0;
  while (!cores.contains(core)) ++core;
  return core;
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
        const auto before = CoreSet::of_caller();
        CoreSet::only(first_of(before)).confine();  // all begin there, as if they were woken there
        before.confine();
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
  const auto before = CoreSet::of_caller();
  Seats seats;
  for (int i = 0; i < 100; ++i) {
    const Seats::Seat seat{seats};
    CHECK(count_allowed() == 1);
  }
  CHECK(CoreSet::of_caller() == before);
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

TEST_CASE("a thread that is kept off wakes where nobody sits, and may run anywhere again when it says so") {
  if (count_allowed() < 2) {
    WARN("skipped: one core");
    return;
  }
  Seats seats;
  std::barrier<> both{2};
  std::atomic<pid_t> id = 0;
  int woken_on = -1;
  int meanwhile = 0;
  int afterwards = 0;
  std::jthread sleeper{[&] {
    id = gettid();
    both.arrive_and_wait();
    both.arrive_and_wait();  // kept off by now
    woken_on = sched_getcpu();
    meanwhile = count_allowed();
    seats.anywhere();
    afterwards = count_allowed();
  }};
  both.arrive_and_wait();
  const int cores = count_allowed();
  const Seats::Seat seat{seats};
  const int mine = sched_getcpu();
  seats.keep_off(id);
  both.arrive_and_wait();
  sleeper.join();
  CHECK(woken_on != mine);
  CHECK(meanwhile == cores - 1);
  CHECK(afterwards == cores);
}

TEST_CASE("who was kept off and sits down may run anywhere after it") {
  Seats seats;
  const int cores = count_allowed();
  std::jthread{[&] {
    const Seats::Seat other{seats};
    std::jthread{[&] {
      seats.keep_off(gettid());
      {
        const Seats::Seat seat{seats};
      }
      CHECK(count_allowed() == cores);
    }}.join();
  }}.join();
}
