// The training images nearest to an image, as a score sees them: how far each is, and how far its own neighbours are.
//
// Thread-safe: a plain value and a pure function.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"

namespace driftd::drift {

struct Calibration;

struct Near {
  float distance = 0;  // L2, from the image in question
  float own3 = 0;      // from this training image to its own third and tenth distinct neighbour in the reference
  float own10 = 0;
};

// What the rules l1 and mahalanobis look at beside distances; empty for the other rules (needs_vectors() in rule.hpp).
struct Vectors {
  std::span<const float> image;  // the embedding of the image in question
  MatrixView near;               // those of its nearest, a row for each
};

// What a search found, with the own distances that the calibration knows: as many as there are rows before the first
// -1. A row that the calibration does not know (added since, and not accompanied by its own distances) gets those of
// the typical row. Throws Error invalid_argument when there are not as many rows as distances, or no row at all.
[[nodiscard]] std::vector<Near> near_of(std::span<const float> distances, std::span<const std::int64_t> rows,
                                        const Calibration& calibration);

}  // namespace driftd::drift
