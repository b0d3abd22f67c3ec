// From the nearest training images of an image to its score, p-value and decision.
//
// - blend: z(log d1) + z(log d10) + z(log r3) + z(log r10). d_k is the distance to the k-th neighbour, r_k is d_k
//   divided by the mean over those k neighbours of their own k-th distance in the reference; z standardises by the
//   reference's leave-one-out median and MAD. Near and far, absolute and relative to the local density: no single k is
//   safe.
// - knn: d_k alone (Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022).
// A p-value is the rank among the leave-one-out scores (conformal: Vovk et al., "Algorithmic learning in a random
// world", 2005): on images like the reference's, P(p <= alpha) is alpha up to the coarseness of the reference.
//
// Thread-safe: pure functions. All throw Error invalid_argument on a k outside 1..kNeighbours or an input that is not
// finite.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "drift/calibration.hpp"

namespace driftd::drift {

enum class Rule { blend, knn };

// "blend" or "knn". rule_of throws Error invalid_argument that lists the names.
[[nodiscard]] Rule rule_of(std::string_view name);
[[nodiscard]] std::string_view name_of(Rule rule);

// The score of an image whose nearest reference rows are `rows` at ascending L2 `distances` (kNeighbours of each; row
// -1 at the end = none found, read as one more at the last distance). 0 or so for a typical training image under blend;
// larger is stranger. Rows that the calibration does not know (added since) count by distance but not by their own
// density. The score is rounded to float, as the leave-one-out scores are, so that ranks compare like with like.
// O(kNeighbours).
[[nodiscard]] double score(Rule rule, std::span<const float> distances, std::span<const std::int64_t> rows,
                           const Calibration& calibration, std::size_t k = kDefaultK);

// The four terms of the blend before standardising, in the order of Calibration::terms; calibrate() builds on them. The
// same inputs as score(), which checks them; k is fixed by the rule.
[[nodiscard]] std::array<double, 4> blend_terms(std::span<const float> distances, std::span<const std::int64_t> rows,
                                                const Calibration& calibration);
[[nodiscard]] float blend(const std::array<double, 4>& terms, const Calibration& calibration);

// (1 + #{leave-one-out scores >= score}) / (ranked + 1), in (0, 1]; O(log n). k matters to Rule::knn only.
[[nodiscard]] double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k = kDefaultK);

// The smallest score whose p-value is <= alpha, 0 < alpha < 1. For the plain distance beside any rule, ask with
// Rule::knn. Throws Error invalid_argument when the reference is too small for any p-value to reach alpha: it must hold
// 1 / alpha - 1 images.
[[nodiscard]] double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k = kDefaultK);

}  // namespace driftd::drift
