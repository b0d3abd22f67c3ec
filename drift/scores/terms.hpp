// The four numbers that the standardised scores are sums of, and their centre and scale over a reference.
//
// d_k is the distance to the k-th neighbour; r_k is d_k divided by the mean, over those k neighbours, of their own k-th
// distance. Absolute distances tell far from near; ratios tell how dense the reference is just there (the local
// reachability of LOF: Breunig et al., "LOF: identifying density-based local outliers", SIGMOD 2000).
//
// Thread-safe: pure functions.
#pragma once

#include <array>
#include <span>

#include "drift/near.hpp"

namespace driftd::drift {

// log d1, log d10, log r3, log r10.
using Terms = std::array<double, 4>;

// Centre and scale of a term over the reference's leave-one-out values.
struct Standard {
  double median = 0;
  double spread = 1;  // 1.4826 MAD, at least kSpreadFloor

  [[nodiscard]] double z(double term) const { return (term - median) / spread; }
};
using Standards = std::array<Standard, 4>;

// A term whose spread is under a tenth of a percent of a distance (all are logarithms) is constant up to rounding.
inline constexpr double kSpreadFloor = 1e-3;

// `near` is not empty; where it holds fewer than k, its last stands for the k-th. Distances below `floor` > 0 are not
// told apart, so that a distance of 0 has a logarithm.
[[nodiscard]] Terms terms_of(std::span<const Near> near, double floor);

}  // namespace driftd::drift
