// A reference's calibration as a drawing: the scores that images are ranked among, those of a trial, and how even the
// trial's p-values are.
//
// Thread-safe: pure functions.
#pragma once

#include <string>
#include <vector>

#include "api/calibration_trial.hpp"

namespace driftd::api {

struct CalibrationPage {
  std::string title;          // one line
  std::vector<float> scores;  // of the calibration, ascending
  double threshold = 0;       // at alpha
  double alpha = 0.05;
  CalibrationTrial trial;
};

// One SVG file that needs nothing else.
[[nodiscard]] std::string svg_of(const CalibrationPage& page);
// The same in a page.
[[nodiscard]] std::string html_of(const CalibrationPage& page);

}  // namespace driftd::api
