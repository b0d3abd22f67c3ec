// The nearest distinct images of each of many images: copies, and what belongs to the same group, are passed over.
//
// Confined to one thread. Internal to this library.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "drift/calibration.hpp"

namespace driftd::drift {

// kNeighbours per image, as many more as the search happened to find, and which images have fewer.
struct Distinct {
  static constexpr std::size_t kKept = kNeighbours + 5;

  explicit Distinct(std::size_t images)
      : distances(images * kKept), rows(images * kKept, -1), counts(images), has_copy(images) {}

  [[nodiscard]] bool complete(std::size_t image) const { return counts[image] >= kNeighbours; }
  [[nodiscard]] std::span<const float> distances_of(std::size_t image) const {
    return std::span{distances}.subspan(image * kKept, kNeighbours);
  }
  [[nodiscard]] std::span<const std::int64_t> rows_of(std::size_t image) const {
    return std::span{rows}.subspan(image * kKept, kNeighbours);
  }
  // Of a complete image, the distance to its k-th neighbour but those that are left out; to the last one known where
  // there are not so many.
  template <class LeftOut>
  [[nodiscard]] float distance_without(std::size_t image, std::size_t k, const LeftOut& left_out) const {
    std::size_t at = image * kKept;
    const auto end = at + counts[image];
    for (std::size_t found = 0; at < end; ++at) {
      if (!left_out(rows[at]) && ++found == k) break;
    }
    return distances[std::min(at, end - 1)];
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
