// Vectors shaped like embeddings: a Gaussian mixture in a few latent dimensions, mapped linearly into many, with a
// little noise, of unit length. Independent coordinates would be no likeness: there all vectors are about equally far
// apart.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "core/matrix.hpp"

namespace driftd::test {

// The same seed gives the same vectors, so that vectors of one source come from one call.
inline Matrix clustered_unit_vectors(std::size_t rows, std::size_t dimension, std::uint64_t seed,
                                     std::size_t clusters = 20) {
  constexpr std::size_t kLatent = 16;
  constexpr float kNoise = 0.1F;
  std::mt19937_64 random{seed};
  std::normal_distribution<float> normal;
  Matrix map{dimension, kLatent};
  Matrix centres{clusters, kLatent};
  for (auto& x : map.data) x = normal(random);
  for (auto& x : centres.data) x = 2 * normal(random);
  Matrix vectors{rows, dimension};
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<float> latent(kLatent);
    const auto centre = centres.row(random() % clusters);
    for (std::size_t l = 0; l < kLatent; ++l) latent[l] = centre[l] + normal(random);
    double squares = 0;
    for (std::size_t j = 0; j < dimension; ++j) {
      float value = kNoise * normal(random);
      for (std::size_t l = 0; l < kLatent; ++l) value += map.row(j)[l] * latent[l];
      vectors.row(i)[j] = value;
      squares += double{value} * value;
    }
    for (auto& x : vectors.row(i)) x = static_cast<float>(x / std::sqrt(squares));
  }
  return vectors;
}

}  // namespace driftd::test
