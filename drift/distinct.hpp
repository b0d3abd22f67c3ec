// The nearest distinct images of each of many images: copies, and what belongs to the same group, are passed over.
//
// Confined to one thread. Internal to this library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "drift/calibration.hpp"

namespace driftd::drift {

// kNeighbours per image, and which images have fewer.
struct Distinct {
  explicit Distinct(std::size_t images)
      : distances(images * kNeighbours), rows(images * kNeighbours, -1), counts(images), has_copy(images) {}

  [[nodiscard]] bool complete(std::size_t image) const { return counts[image] == kNeighbours; }
  [[nodiscard]] std::span<const float> distances_of(std::size_t image) const {
    return std::span{distances}.subspan(image * kNeighbours, kNeighbours);
  }
  [[nodiscard]] std::span<const std::int64_t> rows_of(std::size_t image) const {
    return std::span{rows}.subspan(image * kNeighbours, kNeighbours);
  }

  std::vector<float> distances;
  std::vector<std::int64_t> rows;  // of the reference
  std::vector<std::uint8_t> counts;
  std::vector<bool> has_copy;
};

struct Among {
  std::size_t images = 0;  // 0 to images - 1 are asked for
  std::size_t rows = 0;    // of the reference
  bool own = true;         // the images are the reference's rows: none is its own neighbour, nor its group's
};

// Throws what calibrate() throws for a search that answers nonsense.
[[nodiscard]] Distinct find_distinct(const Among& among, const NeighbourSource& search,
                                     const CalibrationOptions& options);

}  // namespace driftd::drift
