// How far a window's mean lies from a reference's along its components, and how far it lies without drift: Hotelling's
// two-sample T^2 (H. Hotelling, "The generalization of Student's ratio", Annals of Mathematical Statistics, 1931). Rule
// "mean-shift" compares with it.
//
// The covariance is that of the n images that the components rank. With k components and a window of m, T^2 = d' S^-1 d
// / (1/m + 1/n) is (n - 1) k / (n - k) times an F(k, n - k) for normal means, which means of m = 200 images nearly are,
// whatever the distribution of one. So the limit knows how far the reference's own mean and covariance may be off.
// Lengths are sqrt(d' S^-1 d): in standard deviations of one image, whatever the window's size.
//
// Thread rule: immutable once made.
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

  // Throws Error invalid_argument where there are no components, or not more ranked images than components.
  explicit ComponentWindows(const Components& components);

  [[nodiscard]] std::size_t count() const { return ranks_.size(); }
  [[nodiscard]] const RankHistogram& ranks(std::size_t component) const { return ranks_[component]; }

  // Of a window's mean from the reference's along one component, in its standard deviations.
  [[nodiscard]] double shift(std::size_t component, double mean) const;
  // Along all of them together: a mean for each component. O(count^2).
  [[nodiscard]] double length(std::span<const double> means) const;
  // The length that windows of `images` reach with probability `level` (in (0, 1)) while there is no drift.
  [[nodiscard]] double limit(double level, std::size_t images) const;

 private:
  // Constant after construction
  std::size_t images_;
  std::vector<RankHistogram> ranks_;
  std::vector<double> mean_;
  std::vector<double> deviation_;
  std::vector<double> lower_;  // count x count: Cholesky factor of the covariance
};

}  // namespace driftd::drift
