// The rules that can watch a stream, by name, and the detector of each.
//
// - ood-rate, ood-rate-time: the rate of flags among the last images, in the last seconds; false alarms follow from the
//   threshold;
// - ood-count, ood-count-time: the flags in windows that follow one another, by number and then by strangeness;
// - e-detector: bets on the ranks of score, components and properties;
// - ood-cusum: bets on the flags;
// - property-shift: bets on the ranks of properties;
// - ks: the distribution of p-values in windows of 200 images that follow one another;
// - mean-shift: the mean embedding of such windows.
// All but the rates have one false alarm in run_length images without drift, on average over references.
//
// Immutable: a table and a pure function.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "drift/detectors/detector.hpp"

namespace driftd::drift {

inline constexpr std::string_view kRateRule = "ood-rate";
inline constexpr std::string_view kDetectorRule = "e-detector";

struct DetectorKind {
  std::string_view name;
  bool by_time = false;        // needs a window by time
  bool has_run_length = true;  // or false alarms that follow from the rule's threshold
};

inline constexpr std::array kDetectorKinds{DetectorKind{kRateRule, false, false},
                                           DetectorKind{"ood-rate-time", true, false},
                                           DetectorKind{"ood-count"},
                                           DetectorKind{"ood-count-time", true},
                                           DetectorKind{kDetectorRule},
                                           DetectorKind{"ood-cusum"},
                                           DetectorKind{"property-shift"},
                                           DetectorKind{"ks"},
                                           DetectorKind{"mean-shift"}};

// Null where there is no such rule.
[[nodiscard]] const DetectorKind* detector_kind(std::string_view name);
[[nodiscard]] std::string detector_names();  // "ood-rate, ood-rate-time, ... or mean-shift"

struct DetectorSettings {
  const AlertRule& rule;             // outlives the detector
  std::size_t window = 500;          // images
  std::uint32_t window_seconds = 0;  // 0: none
  double confidence = 0.95;
  std::size_t run_length = 10'000;  // kMinRunLength to kMaxRunLength where the kind has one
};

// Throws Error invalid_argument for a run length out of range.
[[nodiscard]] std::unique_ptr<Detector> make_detector(const DetectorKind& kind, const DetectorSettings& settings);

}  // namespace driftd::drift
