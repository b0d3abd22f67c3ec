// Rules "ks" and "mean-shift": windows of 200 images that follow one another, against the reference along the
// components of its embeddings (component_windows.hpp).
//
// "ks" sees a change of any component's distribution, by the largest Kolmogorov-Smirnov distance; "mean-shift" a weak
// shift of all images that is spread over components. Neither looks at scores: the p-values of fresh images are
// uniform in their tail, not in their body. Few strange images move neither.
//
// What windows reach by chance is known from resampled ones; the limit is that plus a tolerance, because the images
// that a model meets are never quite those it was trained on, and with enough of them every harmless difference is
// certain: 0.02 of a distance, and a shift of 0.25 standard deviations that chance does not explain.
#pragma once

#include "drift/detectors/tumbling.hpp"

namespace driftd::drift {

class ComponentShift : public Tumbling {
 public:
  enum class By { ks, mean };
  static constexpr double kTolerance = 0.02;  // of a KS distance
  static constexpr double kHarmless = 0.25;   // of a shift, in standard deviations

  ComponentShift(By by, std::size_t run_length) : Tumbling{run_length}, by_{by} {}

 private:
  // A window counts images that have an embedding, and all have; a reference without components is never compared with.
  [[nodiscard]] bool knows(const Seen& seen) const override;
  [[nodiscard]] bool ends_before(const Seen&) const override { return false; }
  [[nodiscard]] bool ends_with(const Seen&) const override { return size() >= ComponentWindows::kImages; }
  void add(const Seen& seen, std::vector<double>& sums) override;
  [[nodiscard]] Verdict judge(const Seen& seen, const std::vector<double>& sums) const override;
  [[nodiscard]] Verdict judge_ks(const ComponentWindows& windows, const std::vector<double>& counts) const;
  [[nodiscard]] Verdict judge_mean(const ComponentWindows& windows, const std::vector<double>& sums) const;
  [[nodiscard]] double one_in() const { return static_cast<double>(run_length()) / ComponentWindows::kImages; }

  By by_;  // constant after construction
};

}  // namespace driftd::drift
