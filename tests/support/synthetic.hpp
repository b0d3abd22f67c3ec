// Synthetic embeddings for tests: points of a Gaussian mixture and their exact nearest neighbours.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "drift/calibration.hpp"

namespace driftd::test {

using Points = std::vector<std::vector<float>>;

// `n` points around `clusters` centres; the centres depend on `centre_seed` alone, so that two calls can share a
// source.
inline Points mixture(std::size_t n, unsigned centre_seed, std::mt19937& random, std::size_t clusters = 4,
                      std::size_t dimension = 8) {
  std::mt19937 centre_random{centre_seed};
  std::normal_distribution<float> normal;
  Points centres(clusters, std::vector<float>(dimension));
  for (auto& centre : centres) {
    for (auto& x : centre) x = 3 * normal(centre_random);
  }
  std::uniform_int_distribution<std::size_t> pick{0, clusters - 1};
  Points points(n);
  for (auto& point : points) {
    point = centres[pick(random)];
    for (auto& x : point) x += normal(random);
  }
  return points;
}

inline float distance(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

// The k nearest of `reference`, padded with row -1.
inline drift::Neighbours nearest(const Points& reference, const std::vector<float>& query, std::size_t k) {
  std::vector<std::pair<float, std::int64_t>> all;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    all.emplace_back(distance(reference[i], query), static_cast<std::int64_t>(i));
  }
  const auto found = std::min(k, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(found), all.end());
  drift::Neighbours result{k, std::vector<float>(k, 0), std::vector<std::int64_t>(k, -1)};
  for (std::size_t i = 0; i < found; ++i) {
    result.distances[i] = all[i].first;
    result.rows[i] = all[i].second;
  }
  return result;
}

// Searches `reference`, which must outlive the result, for its own rows.
inline drift::NeighbourSource source_of(const Points& reference) {
  return [&reference](std::span<const std::int64_t> rows, std::size_t k) {
    drift::Neighbours all{k, {}, {}};
    for (const auto row : rows) {
      const auto one = nearest(reference, reference[static_cast<std::size_t>(row)], k);
      all.distances.insert(all.distances.end(), one.distances.begin(), one.distances.end());
      all.rows.insert(all.rows.end(), one.rows.begin(), one.rows.end());
    }
    return all;
  };
}

// The points themselves, which must outlive the result.
inline drift::VectorSource vectors_of(const Points& points) {
  return [&points](std::span<const std::int64_t> rows) {
    Matrix vectors{rows.size(), points.front().size()};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::ranges::copy(points[static_cast<std::size_t>(rows[i])], vectors.row(i).begin());
    }
    return vectors;
  };
}

}  // namespace driftd::test
