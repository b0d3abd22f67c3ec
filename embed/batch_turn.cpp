#include "embed/batch_turn.hpp"

#include <algorithm>

namespace driftd::embed {
namespace {

// Images that make a thread wait for no more: they share a pass of the search for half of what two passes take.
constexpr std::size_t kCompany = 4;
// Images that a thread takes where enough wait, so that their searches share a pass.
constexpr std::size_t kTogether = 8;

// Waited for requests that keep the cores busy, though they may never bring an image: a part of the time that the last
// batch took, and at least what four of them may need for decoding.
constexpr int kPatience = 4;
constexpr BatchTurn::Clock::duration kDecoding = std::chrono::milliseconds{5};
// Waited for clients who were just answered, a part of that time, too: a core may be idle meanwhile.
constexpr int kMoment = 32;

std::size_t ceil_divide(std::size_t a, std::size_t b) {
  return (a + b - 1) / b;
}

std::size_t company(const BatchTurn& turn) {
  return std::max(kCompany, turn.preferred);
}

}  // namespace

BatchTurn::Clock::time_point start_by(const BatchTurn& turn) {
  const auto at_once = BatchTurn::Clock::time_point::min();
  if (turn.waiting >= (turn.threads - turn.busy) * company(turn)) return at_once;
  const auto patient = std::max(turn.free_since, turn.oldest) + std::max(turn.last_run / kPatience, kDecoding);
  const std::size_t occupied = turn.busy + turn.elsewhere;
  if (occupied >= turn.threads) return patient;
  const bool last_core = turn.busy > 0 && occupied + 1 == turn.threads;
  return last_core ? std::min(patient, turn.last_answer + turn.last_run / kMoment) : at_once;
}

std::size_t share(const BatchTurn& turn) {
  const std::size_t fair = ceil_divide(turn.waiting, turn.threads);
  const std::size_t cheap = std::min(ceil_divide(turn.waiting, turn.threads - turn.busy), company(turn));
  const std::size_t most = std::max(kTogether, turn.preferred);
  const std::size_t count = std::min(std::max(fair, cheap), most);
  return count > turn.preferred ? count - count % turn.preferred : count;
}

}  // namespace driftd::embed
