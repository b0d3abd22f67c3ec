// Rules "e-detector", "ood-cusum" and "property-shift": an EDetector on all that is watched of an image, on its flag
// alone, or on its properties alone.
//
// "ood-cusum" is the detector's bet on a yes or no: with r of n + 1 places a fresh p-value is at most alpha, and a bet
// of exponent e pays alpha^(e - 1) on a flagged image, as if their rate were alpha^e (0.41, 0.22, 0.12 and 0.08 for
// alpha = 0.05). It is a CUSUM for four alternatives at once, whose ranks learn the stream's own rate of flags.
//
// False alarms: one in run_length images on average over references, if stream and reference are exchangeable: see
// limit_for(). Sources: e_detector.hpp.
#pragma once

#include <optional>

#include "drift/detectors/detector.hpp"

namespace driftd::drift {

class EDetection : public Detector {
 public:
  enum class On { everything, flag, properties };

  // Throws Error invalid_argument where limit_for() does.
  EDetection(On on, std::size_t run_length);

  Condition step(const Seen& seen, bool learn) override;
  [[nodiscard]] Reading reading() const override;
  [[nodiscard]] Level level() const override;
  void describe(Alert& alert, const Seen& seen) const override;
  // What is left of the old drift must not shorten the way to the next alarm.
  void resolved() override;
  void clear() override { detector_.reset(); }
  [[nodiscard]] DetectorState state() const override;
  void resume(const DetectorState& state) override;

 private:
  [[nodiscard]] std::size_t count(const ReferenceVersion& reference) const;  // of the channels
  [[nodiscard]] std::vector<EDetector::Channel> channels(const ReferenceVersion& reference) const;
  [[nodiscard]] std::vector<Shift> shifts() const;

  // Constant after construction
  On on_;
  std::size_t run_length_;
  double limit_;

  std::optional<EDetector> detector_;  // from the first image on, whose reference tells its channels
};

}  // namespace driftd::drift
