// Rule "ks": the p-values of windows of 200 images that follow one another, against the uniform distribution that they
// have without drift, by the Kolmogorov-Smirnov test.
//
// A p-value is a rank among the scores of n reference images, so this is the two-sample test of 200 scores against n
// (N. Smirnov, 1939): the largest distance between the two shares of scores below a place, whose limit counts the
// reference's own chance in. Sees any change of the scores' distribution: few very strange images, or all of them a
// little stranger, or less strange than they should be. False alarms: one in run_length images, averaged over
// references, if stream and reference are exchangeable; distances are multiples of 1/n, so for 300 images up to a tenth
// fewer. The limit is Kolmogorov's with Stephens' correction for small samples (JRSS B 32, 1970), within 5% of the
// exact probability for n >= 300 and within 10% for n >= 100.
#pragma once

#include "drift/detectors/tumbling.hpp"

namespace driftd::drift {

class ScoreKs : public Tumbling {
 public:
  static constexpr std::size_t kImages = 200;

  explicit ScoreKs(std::size_t run_length) : Tumbling{run_length} {}

 private:
  [[nodiscard]] bool knows(const Seen& seen) const override { return !seen.values.empty(); }
  [[nodiscard]] bool ends_before(const Seen&) const override { return false; }
  [[nodiscard]] bool ends_with(const Seen&) const override { return size() >= kImages; }
  // The sums are a list here: each score's rank, 0 to n.
  void add(const Seen& seen, std::vector<double>& ranks) override { ranks.push_back(seen.values.front()); }
  [[nodiscard]] Verdict judge(const Seen& seen, const std::vector<double>& ranks) const override;
};

// The signed Kolmogorov-Smirnov distance of ranks (numbers of n values below) from those values; positive: they lie
// higher. Not for an empty list. O(m log m).
[[nodiscard]] double ks_distance(std::vector<double> ranks, std::size_t n);
// The distance that m values, fresh from the source of n others, reach with this probability (0 < level <= 0.5).
[[nodiscard]] double ks_limit(double level, std::size_t m, std::size_t n);

}  // namespace driftd::drift
