// Rules "ood-count" and "ood-count-time": the flagged images of windows that follow one another, by count or by time.
//
// By exchangeability the flags among w fresh images are BetaBinomial(w, r, n + 1 - r), r of the n + 1 places of a
// p-value being at most alpha (V. Vovk, "Conditional validity of inductive conformal predictors", 2012): exact for
// every size of reference, on average over references. Counts are whole numbers, and few of them have just the
// probability that is wanted. So windows of as many flags are told apart by how strange the flagged images are: by the
// rank sum of their scores among the r - 1 reference scores that would be flagged, which without drift does not depend
// on the count (F. Wilcoxon, 1945; H. Mann and D. Whitney, 1947). Flags plus that share of 1 reach the limit, of which
// the fraction makes up for the whole number, once in run_length images.
//
// Windows by time hold what came in each whole slice of time since 1970, and one below the rule's min_images is not
// judged.
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

// What the flags of `size` images reach by chance with this probability: one more than the largest count that is too
// probable, less the part of that count which there is room for; size + 1 where no p-value is as small as alpha.
// O(size).
[[nodiscard]] double flags_at_level(double level, std::size_t size, double alpha, std::size_t n_reference);

// How strange `count` flagged images are among flagged reference images, from 0 to 1, uniform without drift:
// `rank_sum` is how many of `others` reference images each has below it, in all. By the normal approximation.
[[nodiscard]] double strangeness(double rank_sum, std::size_t count, std::size_t others);

}  // namespace driftd::drift
