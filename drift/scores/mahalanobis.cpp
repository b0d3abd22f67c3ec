// mahalanobis: the distance to the reference's mean in units of its own spread, divided by the square root of the
// dimension, so that 1 is usual (Lee et al., "A simple unified framework for detecting out-of-distribution samples",
// NeurIPS 2018; one Gaussian for all labels). The covariance is shrunk to a few directions and an even rest:
// gaussian.hpp. It sees an image that is unusual as a whole though some training image is near; a reference of several
// clusters has strange places between them that it cannot see.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "drift/cholesky.hpp"
#include "drift/scores/rules.hpp"

namespace driftd::drift::scores {

double mahalanobis(std::span<const float> image, const Gaussian& reference) {
  std::vector<float> centred(image.size());
  std::ranges::transform(image, reference.mean, centred.begin(), std::minus<>{});
  const auto dot = [&](std::span<const float> other) {
    return std::transform_reduce(centred.begin(), centred.end(), other.begin(), 0.0, std::plus<>{},
                                 [](float a, float b) { return double{a} * b; });
  };
  const auto count = reference.directions.rows;
  std::vector<double> along(count);
  for (std::size_t r = 0; r < count; ++r) along[r] = dot(reference.directions.row(r));
  const double squares = std::transform_reduce(along.begin(), along.end(), along.begin(), 0.0);
  const double rest = dot(centred) - squares;
  const double inside = squared_length(reference.lower, std::move(along));
  const double outside = image.size() > count ? std::max(rest, 0.0) / reference.rest : 0;
  return std::sqrt((inside + outside) / static_cast<double>(image.size()));
}

}  // namespace driftd::drift::scores
