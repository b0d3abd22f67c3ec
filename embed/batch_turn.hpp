// When a thread of a Batcher begins with the images that wait, and how many it takes.
//
// Four images that share a run of the model and a pass of the search cost 6 to 10% less each than four alone, so an
// image waits for company: while those who decode, search and answer keep every core busy, for their images are next,
// and a moment longer for clients who were just answered and ask again. Beside an idle core it waits for a moment only.
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

  Clock::time_point free_since;   // the thread whose turn it is
  Clock::time_point oldest;       // when the first of the images came
  Clock::time_point last_answer;  // when a request last ended
  Clock::duration last_run{};     // what a batch took
};

// The time at which the thread begins if nothing changes before; in the past: at once.
[[nodiscard]] BatchTurn::Clock::time_point start_by(const BatchTurn& turn);

// How many of the images it takes: an equal share for each thread, but rather a batch that costs little than one for
// each thread that is not free yet.
[[nodiscard]] std::size_t share(const BatchTurn& turn);

}  // namespace driftd::embed
