// Rules "ood-count" and "ood-count-time": the flagged images of windows that follow one another, by count or by time.
//
// By exchangeability the flags among w fresh images are BetaBinomial(w, r, n + 1 - r), r of the n + 1 places of a
// p-value being at most alpha: exact for every size of reference, on average over references. Counts are whole numbers,
// so the level is met from below. Windows by time hold what came in each whole slice of time since 1970, and one below
// the rule's min_images is not judged.
#pragma once

#include "drift/detectors/tumbling.hpp"

namespace driftd::drift {

class OodCount : public Tumbling {
 public:
  struct Windows {
    std::size_t images = 500;   // of each; by time: at most kMaxWindow
    std::uint32_t seconds = 0;  // 0: by count
    std::size_t min_images = 1;
  };

  OodCount(Windows windows, std::size_t run_length) : Tumbling{run_length}, windows_{windows} {}

 private:
  [[nodiscard]] bool knows(const Seen&) const override { return true; }
  [[nodiscard]] bool ends_before(const Seen& seen) const override;
  [[nodiscard]] bool ends_with(const Seen& seen) const override;
  void add(const Seen& seen, std::vector<double>& sums) override;
  [[nodiscard]] Verdict judge(const Seen& seen, const std::vector<double>& sums) const override;
  [[nodiscard]] std::int64_t slice(Moment now) const { return now.at_ms / (std::int64_t{windows_.seconds} * 1000); }

  Windows windows_;  // constant after construction
};

// The fewest flags of `size` images that come by chance with at most this probability; size + 1 where none do.
// O(size).
[[nodiscard]] std::size_t flags_at_level(double level, std::size_t size, double alpha, std::size_t n_reference);

}  // namespace driftd::drift
