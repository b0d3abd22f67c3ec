#include "embed/batch_turn.hpp"

#include <algorithm>

namespace driftd::embed {
namespace {

using Duration = BatchTurn::Clock::duration;

// Images for each thread that make a run wait for no more: they share a pass of the search for half of what two passes
// take.
constexpr std::size_t kCompany = 4;
// Images for each thread at most in a run, so that nobody waits long for the answer.
constexpr std::size_t kTogether = 8;

// Waited for requests that are at work, though they may never bring an image: a part of the time that the last run
// took, and at least what four of them may need for decoding.
constexpr int kPatience = 4;
constexpr Duration kDecoding = std::chrono::milliseconds{5};
// Waited for clients who were just answered to ask again: a part of that time, too, and at least a turn of the network.
// Begins anew with each image: while it was decoded, the thread that reads the others' requests may have had no core.
constexpr int kMoment = 16;
constexpr Duration kRoundTrip = std::chrono::microseconds{500};

std::size_t ceil_divide(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

std::size_t company(const BatchTurn& turn) {
  return turn.threads * std::max(kCompany, turn.preferred);
}

}  // namespace

BatchTurn::Clock::time_point start_by(const BatchTurn& turn) {
  const auto at_once = BatchTurn::Clock::time_point::min();
  const std::size_t occupied = turn.busy + turn.elsewhere;
  const bool cores_to_spare = std::max(occupied + turn.waiting, turn.last_count) < turn.threads;
  if (cores_to_spare || turn.waiting >= company(turn)) return at_once;
  if (occupied == 0) {
    const bool all_here = turn.waiting >= turn.last_count;
    const auto heard = std::max(turn.last_answer, turn.newest);
    return all_here ? at_once : heard + std::max(turn.last_run / kMoment, kRoundTrip);
  }
  auto from = std::max(turn.free_since, turn.oldest);
  if (turn.busy > 0) from = std::max(from, turn.run_end);
  return from + std::max(turn.last_run / kPatience, kDecoding);
}

std::size_t run_size(const BatchTurn& turn) {
  const std::size_t most = turn.threads * std::max(kTogether, turn.preferred);
  const std::size_t count = std::min(turn.waiting, most);
  return count > turn.threads * turn.preferred ? count - count % turn.preferred : count;
}

std::size_t piece_size(const BatchTurn& turn, std::size_t count) {
  return std::min(ceil_divide(count, turn.threads - turn.busy), turn.preferred);
}

}  // namespace driftd::embed
