// What a window of fresh images looks like along a reference's components while there is no drift: the distribution of
// two statistics of kImages images, by resampling the reference's own. Rules "ks" and "mean-shift" compare with it.
//
// - ks: the largest Kolmogorov-Smirnov distance between window and reference over the components, read at the edges of
//   their bins (RankHistogram), so that a stream keeps counts and no values;
// - shift: the length of the shift of the window's mean, each component in its standard deviations: 0.35 by chance for
//   24 components and 200 images.
// Windows are drawn whole images at a time, so that whatever ties components together is in both distributions; no
// correction for the number of components is needed. The reference's own error is added: a distance between windows of
// m and references of n values is sqrt(1 + m/n) times that from a reference that were known exactly.
//
// Thread rule: immutable once made.
// Sources: J. Friedman, "On multivariate goodness-of-fit and two-sample testing" (2003), for tests by resampling;
// H. Hotelling, "The generalization of Student's ratio" (1931), for the mean, here without correlations.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "drift/components.hpp"
#include "drift/rank_histogram.hpp"

namespace driftd::drift {

class ComponentWindows {
 public:
  static constexpr std::size_t kImages = 200;
  static constexpr std::size_t kDrawn = 20'000;  // windows
  static constexpr std::size_t kKept = 4'000;    // of each statistic, the largest

  // What components.nulls should be: draws the windows by `seed`, in about 0.3 s. Throws Error invalid_argument where
  // there are no components.
  [[nodiscard]] static WindowNulls draw(const Components& components, unsigned seed = 1);
  // Throws Error invalid_argument where there are no components. Without nulls no limit is ever reached.
  explicit ComponentWindows(const Components& components);

  [[nodiscard]] std::size_t count() const { return ranks_.size(); }
  [[nodiscard]] const RankHistogram& ranks(std::size_t component) const { return ranks_[component]; }

  // Signed distance of a window's counts by bin from the reference, the largest over the bins' edges.
  [[nodiscard]] double ks(std::size_t component, std::span<const double> counts) const;
  // Of a window's mean from the reference's, in standard deviations.
  [[nodiscard]] double shift(std::size_t component, double mean) const;
  // The part of the length of a shift that chance alone explains.
  [[nodiscard]] double chance() const;

  // What one window in `one_in` (at least 5) reaches while there is no drift.
  [[nodiscard]] double ks_limit(double one_in) const;
  [[nodiscard]] double shift_limit(double one_in) const;

 private:
  // Constant after construction
  std::size_t images_;
  std::vector<RankHistogram> ranks_;
  std::vector<std::vector<double>> below_;  // by component, the reference's share below each edge
  std::vector<double> mean_;
  std::vector<double> deviation_;
  WindowNulls nulls_;
};

}  // namespace driftd::drift
