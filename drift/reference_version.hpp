// The reference that a stream is scored against, as far as detectors need to know it.
//
// Immutable: a plain value.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "drift/component_windows.hpp"
#include "drift/e_detector.hpp"

namespace driftd::drift {

// A stream whose reference changes starts a new window: flags of two calibrations do not mix. Give each reference its
// own stream.
struct ReferenceVersion {
  std::string name;                                                // "default@4"
  std::size_t ranked = 0;                                          // Calibration::ranked()
  double alpha = 0.05;                                             // an image is out of distribution when p <= alpha
  std::shared_ptr<const std::vector<EDetector::Channel>> watched;  // beside the score; may be null
  std::shared_ptr<const ComponentWindows> windows;                 // null without components
};

}  // namespace driftd::drift
