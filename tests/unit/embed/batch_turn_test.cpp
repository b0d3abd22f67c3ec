#include "embed/batch_turn.hpp"

#include <random>

#include "tests/support/catch.hpp"

using namespace driftd::embed;
using namespace std::chrono_literals;

namespace {

using Time = BatchTurn::Clock::time_point;

const Time kNow{1h};

// Two cores, one of them busy with a run that began 24 ms ago; the other thread has just become free, and one image
// came while both were busy.
BatchTurn turn_of_second_thread() {
  return {.threads = 2,
          .busy = 1,
          .waiting = 1,
          .elsewhere = 0,
          .preferred = 4,
          .free_since = kNow,
          .oldest = kNow - 20ms,
          .newest = kNow - 20ms,
          .run_end = kNow + 40ms,
          .last_answer = kNow - 1s,
          .last_run = 64ms,
          .last_count = 2};
}

// The same when nothing is being computed.
BatchTurn turn_of_idle_model() {
  auto turn = turn_of_second_thread();
  turn.busy = 0;
  turn.run_end = kNow - 1s;
  return turn;
}

bool at_once(const BatchTurn& turn) {
  return start_by(turn) <= kNow;
}

}  // namespace

TEST_CASE("a run begins at once while there are cores to spare") {
  auto turn = turn_of_second_thread();
  turn.threads = 16;
  turn.elsewhere = 13;
  CHECK(at_once(turn));
  turn.elsewhere = 14;
  CHECK_FALSE(at_once(turn));
}

TEST_CASE("a run begins at once when nobody else is there, nor was at the end of the last run") {
  auto turn = turn_of_idle_model();
  turn.last_count = 1;
  turn.last_answer = kNow;
  CHECK(at_once(turn));
  turn.waiting = 5;
  turn.last_count = 5;
  CHECK(at_once(turn));
}

TEST_CASE("images wait for threads that compute, since their requests are soon back") {
  auto turn = turn_of_second_thread();
  CHECK(start_by(turn) == kNow + 40ms + 16ms);
  turn.run_end = kNow - 1ms;  // it takes longer than the one before
  CHECK(start_by(turn) == kNow + 16ms);
}

TEST_CASE("images wait for those of requests at work, a quarter of a run at most") {
  auto turn = turn_of_idle_model();
  turn.elsewhere = 1;
  CHECK(start_by(turn) == kNow + 16ms);
  turn.oldest = kNow + 2ms;  // it came when the thread was free already
  CHECK(start_by(turn) == kNow + 18ms);
}

TEST_CASE("a fast model waits for as long as a few images need for decoding") {
  auto turn = turn_of_idle_model();
  turn.elsewhere = 3;
  turn.last_run = 8ms;
  CHECK(start_by(turn) == kNow + 5ms);
  turn.last_run = {};  // the first one is to come
  CHECK(start_by(turn) == kNow + 5ms);
}

TEST_CASE("images wait a moment for clients who were just answered, where the last run had more") {
  auto turn = turn_of_idle_model();
  turn.last_answer = kNow;
  CHECK(start_by(turn) == kNow + 4ms);
  turn.last_run = 4ms;
  CHECK(start_by(turn) == kNow + 500us);
  turn.newest = kNow + 400us;  // while it was decoded nobody may have read what the others asked
  CHECK(start_by(turn) == kNow + 900us);
  turn.threads = 3;  // too few to keep the cores busy
  CHECK(at_once(turn));
}

TEST_CASE("company for every thread is company enough") {
  auto turn = turn_of_second_thread();
  turn.elsewhere = 3;
  turn.waiting = 7;
  CHECK_FALSE(at_once(turn));
  turn.waiting = 8;
  CHECK(at_once(turn));
  turn.preferred = 8;
  CHECK_FALSE(at_once(turn));
  turn.preferred = 1;  // the search gains from four
  turn.waiting = 7;
  CHECK_FALSE(at_once(turn));
}

TEST_CASE("a run takes what waits, or the batches that cost least of much") {
  const auto size = [](std::size_t threads, std::size_t waiting, std::size_t preferred) {
    auto turn = turn_of_idle_model();
    turn.threads = threads;
    turn.waiting = waiting;
    turn.preferred = preferred;
    return run_size(turn);
  };
  CHECK(size(2, 1, 4) == 1);
  CHECK(size(2, 7, 4) == 7);
  CHECK(size(2, 11, 4) == 8);
  CHECK(size(2, 30, 4) == 16);
  CHECK(size(2, 30, 16) == 30);
  CHECK(size(2, 40, 16) == 32);
  CHECK(size(16, 300, 4) == 128);
}

TEST_CASE("free threads take equal pieces, none larger than the batch that costs least") {
  const auto size = [](std::size_t threads, std::size_t busy, std::size_t count, std::size_t preferred) {
    auto turn = turn_of_second_thread();
    turn.threads = threads;
    turn.busy = busy;
    turn.preferred = preferred;
    return piece_size(turn, count);
  };
  CHECK(size(2, 0, 1, 4) == 1);
  CHECK(size(2, 0, 5, 4) == 3);
  CHECK(size(2, 0, 8, 4) == 4);
  CHECK(size(2, 0, 16, 4) == 4);
  CHECK(size(2, 1, 3, 4) == 3);
  CHECK(size(2, 1, 8, 1) == 1);
  CHECK(size(16, 0, 8, 4) == 1);
}

TEST_CASE("whatever the load, runs have images, their pieces, too, and no wait is long") {
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
    turn.newest = std::min(kNow, turn.oldest + std::chrono::milliseconds{random() % 100});
    turn.last_answer = kNow - std::chrono::milliseconds{random() % 10};
    turn.last_run = std::chrono::milliseconds{random() % 500};
    turn.run_end = kNow - std::chrono::milliseconds{random() % 100} + turn.last_run;
    turn.last_count = random() % 300;
    const auto run = run_size(turn);
    REQUIRE(run >= 1);
    REQUIRE(run <= turn.waiting);
    REQUIRE(piece_size(turn, run) >= 1);
    REQUIRE(piece_size(turn, run) <= std::min(run, turn.preferred));
    const auto patience = std::max<BatchTurn::Clock::duration>(turn.last_run / 4, 5ms);
    REQUIRE(start_by(turn) <= kNow + patience + (turn.busy > 0 ? turn.last_run : 0ms));
  }
}
