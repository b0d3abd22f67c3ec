#include "core/crew.hpp"

#include <atomic>
#include <latch>
#include <stdexcept>

#include "tests/support/catch.hpp"

using driftd::CoreSet;
using driftd::Crew;

TEST_CASE("a crew does every piece of work once, whatever its size") {
  const auto helpers = GENERATE(as<std::size_t>{}, 0, 1, 3);
  const auto count = GENERATE(as<std::size_t>{}, 0, 1, 2, 1000);
  CAPTURE(helpers, count);
  Crew crew{helpers, "helper"};
  std::vector<std::atomic<int>> done(count);
  crew.each(count, [&](std::size_t i) { ++done[i]; });
  CHECK(std::ranges::all_of(done, [](const auto& times) { return times == 1; }));
}

TEST_CASE("members of a run work at the same time, each under its own number") {
  Crew crew{2, "helper"};
  std::latch all_here{3};
  std::vector<std::atomic<int>> called(3);
  crew.run(2, [&](std::size_t member) {
    ++called[member];
    all_here.arrive_and_wait();
  });
  CHECK(std::ranges::all_of(called, [](const auto& times) { return times == 1; }));
}

TEST_CASE("cores at other work lend no helpers until they are done with it") {
  Crew crew{2, "helper"};
  std::vector<std::size_t> members;
  {
    const Crew::CoreInUse one{crew};
    const Crew::CoreInUse two{crew};
    const Crew::CoreInUse caller{crew};  // more than there are helpers
    crew.run(2, [&](std::size_t member) { members.push_back(member); });
    crew.each(3, [&](std::size_t i) { members.push_back(i); });
  }
  CHECK(members == std::vector<std::size_t>{0, 0, 1, 2});
  std::latch all_here{3};
  crew.run(2, [&](std::size_t) { all_here.arrive_and_wait(); });
}

TEST_CASE("a caller does not wait for helpers that others keep busy") {
  Crew crew{1, "helper"};
  std::latch helper_busy{1};
  std::latch release{1};
  std::jthread other{[&] {
    crew.run(1, [&](std::size_t member) {
      if (member == 1) helper_busy.count_down();
      release.wait();
    });
  }};
  helper_busy.wait();
  std::size_t done = 0;  // by this thread alone: there is nobody else
  crew.each(100, [&](std::size_t) { ++done; });
  CHECK(done == 100);
  release.count_down();
}

TEST_CASE("what a piece of work throws reaches the caller, and the crew works on") {
  Crew crew{2, "helper"};
  CHECK_THROWS_WITH(crew.each(100,
                              [](std::size_t i) {
                                if (i == 7) throw std::runtime_error{"seven"};
                              }),
                    "seven");
  std::atomic<int> sum{0};
  crew.each(10, [&](std::size_t i) { sum += static_cast<int>(i); });
  CHECK(sum == 45);
}

TEST_CASE("many callers share a crew") {
  Crew crew{2, "helper"};
  std::atomic<int> done{0};
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 4; ++c) {
      callers.emplace_back([&] {
        for (int round = 0; round < 200; ++round) crew.each(5, [&](std::size_t) { ++done; });
      });
    }
  }
  CHECK(done == 4 * 200 * 5);
}

TEST_CASE("helpers are woken on other cores than the caller's") {
  const auto allowed = CoreSet::of_caller();
  if (allowed.size() < 2) {
    WARN("skipped: one core");
    return;
  }
  Crew crew{1, "helper"};
  const auto run = [&](int core) {  // where the helper is, and whether it might be on that core
    std::latch helped{1};
    std::pair<int, bool> found;
    crew.run(1, [&](std::size_t number) {
      if (number == 0) return helped.wait();
      found = {sched_getcpu(), CoreSet::of_caller().contains(core)};
      helped.count_down();
    });
    return found;
  };
  run(0);  // it is there from now on
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!allowed.contains(core)) continue;
    REQUIRE(CoreSet::only(core).confine());
    const auto [helper_on, might_be_here] = run(core);
    CAPTURE(core);
    CHECK(helper_on != core);
    CHECK_FALSE(might_be_here);
  }
  allowed.confine();
}
