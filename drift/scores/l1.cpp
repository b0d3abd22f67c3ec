// l1: the k-th smallest L1 distance among the ten nearest by L2. Sums of absolute differences weigh many small
// deviations more than L2 does, and few large ones less (Aggarwal, Hinneburg and Keim, "On the surprising behavior of
// distance metrics in high dimensional space", ICDT 2001).
//
// The search is by L2; this ranks what it found anew, and an image that is nearer by L1 but not among the ten is
// missed. Measured on Fashion-MNIST (5,000 items of 1,752 values, 400 fresh images each): for images like the
// reference's the first and third distances are always the true ones; for other classes 99% and 89%, on average 0.1%
// too large; the tenth is true for 25% and 7%, 1 to 2% too large. Calibration measures the same way, so that p-values
// hold.
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
