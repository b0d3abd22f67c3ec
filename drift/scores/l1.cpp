// l1: the k-th smallest L1 distance among the ten nearest by L2. Sums of absolute differences weigh many small
// deviations more than L2 does, and few large ones less (Aggarwal, Hinneburg and Keim, "On the surprising behavior of
// distance metrics in high dimensional space", ICDT 2001).
//
// The search is by L2; this ranks what it found anew. A nearer image by L1 may be missed that is not among the ten.
#include <algorithm>
#include <cmath>

#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

std::array<double, kNeighbours> l1(std::span<const float> image, MatrixView near) {
  std::array<double, kNeighbours> distances{};
  const auto found = static_cast<std::ptrdiff_t>(std::min(near.rows, kNeighbours));
  for (std::ptrdiff_t i = 0; i < found; ++i) {
    const auto other = near.row(static_cast<std::size_t>(i));
    double& sum = distances[static_cast<std::size_t>(i)];
    for (std::size_t j = 0; j < image.size(); ++j) sum += std::abs(image[j] - other[j]);
  }
  std::sort(distances.begin(), distances.begin() + found);
  std::fill(distances.begin() + found, distances.end(), distances[static_cast<std::size_t>(found) - 1]);
  return distances;
}

}  // namespace driftd::drift::scores
