// The decisions of the last so many seconds of one stream: how many images were out of distribution, with bounds.
//
// Beside the window by count: that one answers at once in a busy stream and looks far back in a quiet one; this one
// compares streams over the same hour. Kept as counts in kBuckets equal slices of time; the window ends with the slice
// under way, so that it covers the last `seconds` up to one slice.
//
// Confined to one thread (the Monitor guards it). Time comes in as an argument; a clock that goes back adds to the
// newest slice. 1 KB; push is O(1), summary O(kBuckets).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace driftd::drift {

struct TimeWindowSummary {
  std::uint32_t seconds = 0;
  std::uint64_t size = 0;     // images in the window
  std::uint64_t flagged = 0;  // of them out of distribution
  double ood_rate = 0;        // flagged / size; 0 while empty
  double lower = 0;           // Wilson bounds of the rate
  double upper = 1;
  bool enough = false;  // at least min_size images: the rate is worth judging
};

class TimeWindow {
 public:
  static constexpr std::size_t kBuckets = 60;

  struct Bucket {
    std::int64_t slice = 0;  // time since 1970 in units of a slice
    std::uint32_t size = 0;
    std::uint32_t flagged = 0;
  };
  // What survives a restart.
  struct State {
    std::uint32_t seconds = 0;
    std::vector<Bucket> buckets;  // from the oldest to the newest
  };

  // Throws Error invalid_argument unless 1 <= seconds <= kMaxSeconds and 0 < confidence < 1.
  TimeWindow(std::uint32_t seconds, std::size_t min_size, double confidence = 0.95);
  // Goes on from a state saved before; one of another length is of no use and forgotten.
  void resume(const State& state);

  void push(bool ood, std::int64_t now_ms);
  void clear() { buckets_.clear(); }
  // now_ms may lie after the last image: what is too old by then is not counted.
  [[nodiscard]] TimeWindowSummary summary(std::int64_t now_ms) const;
  [[nodiscard]] State state() const { return {seconds_, buckets_}; }

  static constexpr std::uint32_t kMaxSeconds = 31 * 24 * 3600;

 private:
  [[nodiscard]] std::int64_t slice_at(std::int64_t now_ms) const;
  [[nodiscard]] bool too_old(const Bucket& bucket, std::int64_t slice) const;

  // Constant after construction
  std::uint32_t seconds_;
  std::size_t min_size_;
  double z_;

  std::vector<Bucket> buckets_;  // at most kBuckets, oldest first
};

}  // namespace driftd::drift
