// Rule "mean-shift": the mean embedding of windows of 200 images that follow one another, against the reference's along
// its components, by Hotelling's T^2 (component_windows.hpp).
//
// Sees a weak shift of all images long before any score is strange; few strange images hardly move it. False alarms:
// one in run_length images, averaged over references, if stream and reference are exchangeable. The value is the
// shift's length in standard deviations: with 24 components, 200 images and a large reference 0.35 by chance.
#pragma once

#include "drift/detectors/tumbling.hpp"

namespace driftd::drift {

class MeanShift : public Tumbling {
 public:
  explicit MeanShift(std::size_t run_length) : Tumbling{run_length} {}

 private:
  // A reference without components is never compared with.
  [[nodiscard]] bool knows(const Seen& seen) const override;
  [[nodiscard]] bool ends_before(const Seen&) const override { return false; }
  [[nodiscard]] bool ends_with(const Seen&) const override { return size() >= ComponentWindows::kImages; }
  void add(const Seen& seen, std::vector<double>& sums) override;
  [[nodiscard]] Verdict judge(const Seen& seen, const std::vector<double>& sums) const override;
};

}  // namespace driftd::drift
