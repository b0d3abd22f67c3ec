// How far a window's mean lies from a reference's along its components, and how far it lies without drift: Hotelling's
// two-sample T^2 (H. Hotelling, "The generalization of Student's ratio", Annals of Mathematical Statistics, 1931). Rule
// "mean-shift" compares with it.
//
// The covariance is that of the n images that the components rank and of the window's m together. With k components,
// T^2 = d' S^-1 d / (1/m + 1/n) is k (n + m - 2) / (n + m - k - 1) times an F(k, n + m - k - 1) for normal means, which
// means of m = 200 images nearly are, whatever the distribution of one. So the limit knows how far the reference's own
// mean and covariance may be off. (With the reference's covariance alone, skewed values made windows three times as
// often over it as they should be: a reference whose mean is low by chance has too small a variance, too.) Lengths are
// sqrt(d' S^-1 d): in standard deviations of one image, whatever the window's size.
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
  // Counts an image in: its value along each component. `sums` is empty for a new window.
  void add(std::span<const float> values, std::vector<double>& sums) const;
  // Of a window of `images` >= 1, from its sums: how far its mean lies from the reference's along one component, in the
  // reference's standard deviations, and along all of them together. O(count^3).
  [[nodiscard]] double shift(std::size_t component, const std::vector<double>& sums, std::size_t images) const;
  [[nodiscard]] double length(const std::vector<double>& sums, std::size_t images) const;
  // The mean's place among the reference's values along a component, 0 to 1.
  [[nodiscard]] double rank(std::size_t component, const std::vector<double>& sums, std::size_t images) const;
  // The length that such windows reach with probability `level` (in (0, 1)) while there is no drift.
  [[nodiscard]] double limit(double level, std::size_t images) const;

 private:
  // Constant after construction
  std::size_t images_;
  std::vector<RankHistogram> ranks_;
  std::vector<double> mean_;
  std::vector<double> products_;  // lower half, row by row: sums of the products of distances from the means
};

}  // namespace driftd::drift
