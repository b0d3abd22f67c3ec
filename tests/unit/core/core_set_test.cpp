#include "core/core_set.hpp"

#include <thread>

#include <unistd.h>

#include "tests/support/catch.hpp"

using driftd::CoreSet;

TEST_CASE("a set has the cores that were added and not removed") {
  CoreSet cores;
  CHECK(cores.empty());
  cores.add(0);
  cores.add(65);
  cores.add(CPU_SETSIZE - 1);
  CHECK(cores.size() == 3);
  CHECK(cores.contains(65));
  CHECK_FALSE(cores.contains(1));
  cores.remove(65);
  cores.remove(1);
  CHECK(cores.size() == 2);
  CHECK_FALSE(cores.contains(65));
}

TEST_CASE("what others have is left out, and what they have alone does not come in") {
  CoreSet cores;
  for (const int core : {1, 2, 70}) cores.add(core);
  CoreSet others;
  for (const int core : {2, 3}) others.add(core);
  CoreSet expected;
  for (const int core : {1, 70}) expected.add(core);
  CHECK(cores.without(others) == expected);
  CHECK(cores.without(CoreSet{}) == cores);
  CHECK(cores.without(cores).empty());
}

TEST_CASE("a core that there cannot be is in no set") {
  CHECK(CoreSet::only(-1).empty());
  CHECK(CoreSet::only(CPU_SETSIZE).empty());
}

TEST_CASE("a thread that is confined runs there alone, and anywhere again with the set from before") {
  const auto before = CoreSet::of_caller();
  REQUIRE_FALSE(before.empty());
  const auto here = CoreSet::only(sched_getcpu());
  CHECK(here.confine());
  CHECK(CoreSet::of_caller() == here);
  CHECK(here.contains(sched_getcpu()));
  CHECK(before.confine());
  CHECK(CoreSet::of_caller() == before);
}

TEST_CASE("an empty set, one of cores that are not there and a thread that has ended confine nobody") {
  const auto before = CoreSet::of_caller();
  CHECK_FALSE(CoreSet{}.confine());
  CHECK_FALSE(CoreSet::only(CPU_SETSIZE - 1).confine());
  pid_t ended = 0;
  std::jthread{[&] { ended = gettid(); }}.join();
  CHECK_FALSE(before.confine(ended));
  CHECK(CoreSet::of_caller() == before);
}
