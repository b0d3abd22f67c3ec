// Class-aware calibration: each image against the training images of its own label only.
//
// What is normal for a bag is not what is normal for a shirt: near-looking images of another class no longer vouch for
// an image. The label is given with the image (the classifier's answer, say), or voted by its nearest neighbours; the
// calibration treats the reference's own images in the same way, so that p-values are ranks among equals. An image
// whose label has fewer than drift::kNeighbours + 1 others is left out of the calibration.
//
// Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "drift/calibration.hpp"
#include "index/snapshot.hpp"

namespace driftd::api {

// The label of most of an image's nearest items, as far as there are any; of equally frequent ones that of the nearest.
[[nodiscard]] std::string vote(std::span<const std::string_view> nearest_first);

enum class LabelSource { given, voted };

// Leave-one-out calibration of a segment's items among items of the same label. Throws what drift::calibrate() throws.
// Cost: as much as a calibration among all, and for voted labels one more search of each row.
[[nodiscard]] drift::Calibration calibrate_same_label(const index::Segment& items, LabelSource source,
                                                      const drift::CalibrationOptions& options);

}  // namespace driftd::api
