#include "drift/detectors/kinds.hpp"

#include <algorithm>

#include "core/alternatives.hpp"
#include "drift/detectors/e_detection.hpp"
#include "drift/detectors/mean_shift.hpp"
#include "drift/detectors/ood_count.hpp"
#include "drift/detectors/ood_rate.hpp"
#include "drift/detectors/score_ks.hpp"

namespace driftd::drift {

const DetectorKind* detector_kind(std::string_view name) {
  const auto* found = std::ranges::find(kDetectorKinds, name, &DetectorKind::name);
  return found == kDetectorKinds.end() ? nullptr : found;
}

std::string detector_names() {
  return alternatives(kDetectorKinds, &DetectorKind::name);
}

std::unique_ptr<Detector> make_detector(const DetectorKind& kind, const DetectorSettings& s) {
  if (!kind.has_run_length) return std::make_unique<OodRate>(s.rule, kind.by_time, s.confidence);
  (void)limit_for(s.run_length);  // the range is the same for all
  using On = EDetection::On;
  if (kind.name == "ood-cusum") return std::make_unique<EDetection>(On::flag, s.run_length);
  if (kind.name == "property-shift") return std::make_unique<EDetection>(On::properties, s.run_length);
  if (kind.name == "ks") return std::make_unique<ScoreKs>(s.run_length);
  if (kind.name == "mean-shift") return std::make_unique<MeanShift>(s.run_length);
  if (kind.name == kDetectorRule) return std::make_unique<EDetection>(On::everything, s.run_length);
  return std::make_unique<OodCount>(OodCount::Windows{s.window, kind.by_time ? s.window_seconds : 0, s.rule.min_size},
                                    s.run_length);
}

}  // namespace driftd::drift
