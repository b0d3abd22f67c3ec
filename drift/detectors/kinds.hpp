// The rules that can watch a stream, by name, and the detector of each.
//
// | name             | watches                                              | false alarms                               |
// | ood-rate         | rate of flags, last images                           | follow from the threshold: at most a bound |
// | ood-rate-time    | the same, last seconds                               | the same                                   |
// | ood-count        | number of flags, windows that follow one another     | at most one in run_length images           |
// | ood-count-time   | the same by time                                     | the same                                   |
// | e-detector       | ranks of score, components and properties, bet by bet | one in run_length images                   |
// | ood-cusum        | flags, bet by bet                                    | the same                                   |
// | property-shift   | ranks of properties, bet by bet                      | the same                                   |
// | ks               | distribution of each component, windows of 200       | at most one in run_length images           |
// | mean-shift       | mean along the components, windows of 200            | the same                                   |
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

inline constexpr std::array kDetectorKinds{
    DetectorKind{kRateRule, false, false}, DetectorKind{"ood-rate-time", true, false}, DetectorKind{"ood-count"},
    DetectorKind{"ood-count-time", true},  DetectorKind{kDetectorRule},                DetectorKind{"ood-cusum"},
    DetectorKind{"property-shift"},        DetectorKind{"ks"},                         DetectorKind{"mean-shift"}};

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
