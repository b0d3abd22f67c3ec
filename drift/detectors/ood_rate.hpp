// Rules "ood-rate" and "ood-rate-time": many strange images in the window by count, or in that by time.
//
// The condition holds while the lower Wilson bound of the window's rate is over a threshold (alert.hpp). False alarms,
// by exchangeability and averaged over references: at most false_alarm_bound() an image by count. By time a window
// also loses images when nobody looks, so the bound is the chance that a window of this size is over the threshold,
// which counts a firing at every image of it.
#pragma once

#include "drift/detectors/detector.hpp"

namespace driftd::drift {

class OodRate : public Detector {
 public:
  // Keeps a reference to the rule.
  OodRate(const AlertRule& rule, bool by_time, double confidence)
      : rule_{rule}, by_time_{by_time}, confidence_{confidence} {}

  Condition step(const Seen& seen, bool learn) override;
  [[nodiscard]] Reading reading() const override { return {lower_, rule_.threshold, {}, {}}; }
  void describe(Alert& alert, const Seen& seen) const override;
  void clear() override { lower_ = 0; }
  [[nodiscard]] DetectorState state() const override { return {{}, {lower_}, {}}; }
  void resume(const DetectorState& state) override;

 private:
  // Constant after construction
  const AlertRule& rule_;
  bool by_time_;
  double confidence_;

  double lower_ = 0;
};

}  // namespace driftd::drift
