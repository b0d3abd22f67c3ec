// A calibration put to the test: some images of the reference are taken out, the rest is calibrated as the reference
// was, and those taken out are scored as what they then are, fresh images of the same source.
//
// Leave-one-out p-values of the calibration images themselves are uniform whatever they are worth, being ranks among
// each other; those of a trial are not. Thread-safe: a pure function with a fixed seed.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "api/reference.hpp"

namespace driftd::api {

struct CalibrationTrial {
  std::size_t calibrated_on = 0;  // images ranked against
  std::vector<float> scores;      // of the images tried
  std::vector<double> p_values;   // ascending

  [[nodiscard]] double false_alarms(double alpha) const;  // share of p-values up to alpha
  [[nodiscard]] double ks_distance() const;               // largest distance of their distribution from the uniform one
  // Above this it would be once in a hundred if reference and fresh images were alike: two samples, Smirnov 1939.
  [[nodiscard]] double ks_limit() const;
};

// So many items (or held-out images, where there are any) it takes.
[[nodiscard]] std::size_t images_for_trial(const Reference& reference);

// A fifth of at most 20,000 items of the version's segment is tried, groups as a whole; of a reference with held-out
// images half of these, the index staying as it is. pools: unit vectors per embedding. Cost: a calibration of 16,000
// images, and a second copy of their vectors. Throws Error{invalid_argument} where too few images are left.
[[nodiscard]] CalibrationTrial try_calibration(const Reference& reference, const ScoreOptions& options,
                                               std::size_t pools, const std::function<void(std::size_t)>& progress);

}  // namespace driftd::api
