#include "embed/batch_turn.hpp"

#include <random>

#include "tests/support/catch.hpp"

using namespace driftd::embed;
using namespace std::chrono_literals;

namespace {

using Time = BatchTurn::Clock::time_point;

const Time kNow{1h};

// Two cores, one of them busy with a batch of the size that costs least; the other thread has just become free, and
// one image came while both were busy.
BatchTurn turn_of_second_thread() {
  return {.threads = 2,
          .busy = 1,
          .waiting = 1,
          .elsewhere = 0,
          .preferred = 4,
          .free_since = kNow,
          .oldest = kNow - 20ms,
          .last_answer = kNow - 1s,
          .last_run = 64ms};
}

bool at_once(const BatchTurn& turn) {
  return start_by(turn) <= kNow;
}

}  // namespace

TEST_CASE("a thread begins at once where a core is idle and nobody was just answered") {
  auto turn = turn_of_second_thread();
  CHECK(at_once(turn));
  turn.busy = 0;
  turn.elsewhere = 1;
  CHECK(at_once(turn));
  turn.elsewhere = 0;
  turn.last_answer = kNow;
  CHECK(at_once(turn));
}

TEST_CASE("while requests keep the last core busy a thread waits for their images, a quarter of a run at most") {
  auto turn = turn_of_second_thread();
  turn.elsewhere = 3;
  CHECK(start_by(turn) == kNow + 16ms);
  turn.oldest = kNow + 2ms;  // it came when the thread was free already
  CHECK(start_by(turn) == kNow + 18ms);
  turn.threads = 16;
  CHECK(at_once(turn));
  turn.busy = 14;
  CHECK_FALSE(at_once(turn));
}

TEST_CASE("a fast model waits for as long as a few images need for decoding") {
  auto turn = turn_of_second_thread();
  turn.elsewhere = 3;
  turn.last_run = 8ms;
  CHECK(start_by(turn) == kNow + 5ms);
  turn.last_run = {};  // the first one is to come
  CHECK(start_by(turn) == kNow + 5ms);
}

TEST_CASE("it waits a moment for clients who were just answered") {
  auto turn = turn_of_second_thread();
  turn.last_answer = kNow;
  CHECK(start_by(turn) == kNow + 2ms);
  turn.threads = 3;  // another core is idle
  CHECK(at_once(turn));
}

TEST_CASE("company for every free thread is company enough") {
  auto turn = turn_of_second_thread();
  turn.elsewhere = 3;
  turn.waiting = 3;
  CHECK_FALSE(at_once(turn));
  turn.waiting = 4;
  CHECK(at_once(turn));
  turn.preferred = 8;
  CHECK_FALSE(at_once(turn));
  turn.preferred = 1;  // the search gains from four
  turn.waiting = 3;
  CHECK_FALSE(at_once(turn));
}

TEST_CASE("before the first run clients who were just answered are not waited for") {
  auto turn = turn_of_second_thread();
  turn.last_run = {};
  turn.last_answer = kNow;
  CHECK(at_once(turn));
}

TEST_CASE("a thread takes its share, in batches that cost least") {
  const auto shared = [](std::size_t threads, std::size_t busy, std::size_t waiting, std::size_t preferred) {
    auto turn = turn_of_second_thread();
    turn.threads = threads;
    turn.busy = busy;
    turn.waiting = waiting;
    turn.preferred = preferred;
    return share(turn);
  };
  CHECK(shared(2, 0, 2, 4) == 1);
  CHECK(shared(2, 0, 8, 4) == 4);
  CHECK(shared(2, 1, 3, 4) == 3);
  CHECK(shared(2, 1, 4, 4) == 4);  // the other thread may find none when it is free; it comes first then
  CHECK(shared(2, 1, 6, 4) == 4);
  CHECK(shared(2, 1, 12, 4) == 4);
  CHECK(shared(2, 1, 30, 4) == 8);
  CHECK(shared(2, 1, 30, 16) == 16);
  CHECK(shared(2, 1, 30, 1) == 8);
  CHECK(shared(16, 15, 8, 4) == 4);
  CHECK(shared(16, 0, 16, 4) == 1);
}

TEST_CASE("whatever the load, a share is neither nothing nor more than waits, and no wait is long") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(1, random(1, 1 << 30))));
  CAPTURE(seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 10'000; ++i) {
    BatchTurn turn = turn_of_second_thread();
    turn.threads = 1 + random() % 64;
    turn.busy = random() % turn.threads;
    turn.waiting = 1 + random() % 300;
    turn.elsewhere = random() % 300;
    turn.preferred = 1 + random() % 16;
    turn.oldest = kNow - std::chrono::milliseconds{random() % 100};
    turn.last_answer = kNow - std::chrono::milliseconds{random() % 10};
    turn.last_run = std::chrono::milliseconds{random() % 500};
    REQUIRE(share(turn) >= 1);
    REQUIRE(share(turn) <= std::min<std::size_t>(turn.waiting, std::max<std::size_t>(8, turn.preferred)));
    REQUIRE(start_by(turn) <= kNow + std::max<BatchTurn::Clock::duration>(turn.last_run / 4, 5ms));
    if (turn.busy == 0 && turn.elsewhere + 1 < turn.threads) REQUIRE(at_once(turn));
  }
}
