// When the threads of a Batcher begin with the images that wait, how many they take, and in which pieces.
//
// Images that are computed and searched together cost less each, and while a model computes, whatever else runs on its
// core takes longer, as does the model. So the requests of a busy service go through it in step, decoded, computed and
// searched together: images wait until those of the requests at work have come, while there is not a core to spare; for
// threads that compute, since their requests are soon back; and a moment for clients who were just answered.
//
// Thread-safe: pure functions.
#pragma once

#include <chrono>
#include <cstddef>

namespace driftd::embed {

struct BatchTurn {
  using Clock = std::chrono::steady_clock;

  std::size_t threads = 1;    // of the model, one for each core
  std::size_t busy = 0;       // of them, that compute; below threads
  std::size_t waiting = 0;    // images, at least one
  std::size_t elsewhere = 0;  // requests at work on the same cores: they decode, search or answer
  std::size_t preferred = 1;  // images in the batch that costs least

  Clock::time_point free_since;   // the thread that asks
  Clock::time_point oldest;       // when the first of the images came
  Clock::time_point newest;       // when the last one came
  Clock::time_point run_end;      // of the last run to begin, if it takes as long as the one before
  Clock::time_point last_answer;  // when a request last ended
  Clock::duration last_run{};     // what a run took
  std::size_t last_count = 0;     // images in it, and those that waited at its end
};

// The time at which a run begins if nothing changes before; in the past: at once.
[[nodiscard]] BatchTurn::Clock::time_point start_by(const BatchTurn& turn);

// How many of the images it takes.
[[nodiscard]] std::size_t run_size(const BatchTurn& turn);

// How many of `count` such images a thread takes at a time: an equal share for each that is free, but no more than the
// batch that costs least.
[[nodiscard]] std::size_t piece_size(const BatchTurn& turn, std::size_t count);

}  // namespace driftd::embed
