// mahalanobis: the distance to the reference's mean in units of its own spread, divided by the square root of the
// dimension, so that 1 is usual (Lee et al., "A simple unified framework for detecting out-of-distribution samples",
// NeurIPS 2018; one Gaussian for all labels). The covariance is shrunk to a few directions and an even rest:
// gaussian.hpp. It sees an image that is unusual as a whole though some training image is near; a reference of several
// clusters has strange places between them that it cannot see.
#include <algorithm>
#include <cmath>
#include <vector>

#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

double mahalanobis(std::span<const float> image, const Gaussian& reference) {
  const auto count = reference.directions.rows;
  std::vector<double> whitened(count);
  double rest = 0;
  for (std::size_t j = 0; j < image.size(); ++j) rest += std::pow(double{image[j]} - reference.mean[j], 2);
  double inside = 0;
  for (std::size_t r = 0; r < count; ++r) {
    const auto direction = reference.directions.row(r);
    double along = 0;
    for (std::size_t j = 0; j < image.size(); ++j) along += (double{image[j]} - reference.mean[j]) * direction[j];
    rest -= along * along;
    for (std::size_t s = 0; s < r; ++s) along -= reference.lower[r * count + s] * whitened[s];
    whitened[r] = along / reference.lower[r * count + r];
    inside += whitened[r] * whitened[r];
  }
  const double outside = image.size() > count ? std::max(rest, 0.0) / reference.rest : 0;
  return std::sqrt((inside + outside) / static_cast<double>(image.size()));
}

}  // namespace driftd::drift::scores
