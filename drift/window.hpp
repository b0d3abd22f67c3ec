// The last `capacity` decisions of one stream: how many images were out of distribution, with bounds.
//
// Confined to one thread (the Monitor guards its windows). One bit per image; push is O(1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "drift/statistics.hpp"

namespace driftd::drift {

inline constexpr std::size_t kMaxWindow = 100'000;

struct WindowSummary {
  std::size_t capacity = 0;
  std::size_t size = 0;     // images in the window now, <= capacity
  std::size_t flagged = 0;  // of them out of distribution
  double ood_rate = 0;      // flagged / size; 0 while empty
  double lower = 0;         // Wilson bounds of the rate at the window's confidence
  double upper = 1;
  std::uint64_t total = 0;          // images since the stream began, over all windows
  std::uint64_t total_flagged = 0;  // of them out of distribution
};

class Window {
 public:
  // What survives a restart: the decisions from the oldest to the newest, and the totals.
  struct State {
    std::vector<bool> flags;
    std::uint64_t total = 0;
    std::uint64_t total_flagged = 0;
  };

  // Throws Error invalid_argument unless 1 <= capacity <= kMaxWindow and 0 < confidence < 1.
  explicit Window(std::size_t capacity, double confidence = 0.95);
  // A window that continues `state`; when it holds more than `capacity` decisions, the newest are kept.
  Window(std::size_t capacity, double confidence, const State& state);

  void push(bool ood);
  // Forgets the decisions, keeps the totals.
  void clear();
  [[nodiscard]] WindowSummary summary() const;
  [[nodiscard]] State state() const;

 private:
  // Constant after construction
  double z_;

  std::vector<bool> ring_;
  std::size_t next_ = 0;  // where the next decision goes: the oldest one once the ring is full
  std::size_t size_ = 0;
  std::size_t flagged_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t total_flagged_ = 0;
};

}  // namespace driftd::drift
