// From the nearest training images of an image to its score, p-value and decision.
//
// The rules are blend (the default), knn, rmean, d1r3 and mean: see drift/scores/, one file each with its source.
// Mahalanobis and L1 distances would need a search of another metric over the whole reference and are not offered.
// A p-value is the rank among the leave-one-out scores (conformal: Vovk et al., "Algorithmic learning in a random
// world", 2005): on images like the reference's, P(p <= alpha) is alpha up to the coarseness of the reference.
//
// Thread-safe: pure functions. All throw Error invalid_argument on a k outside 1..kNeighbours, an input that is not
// finite, or a rule that the calibration, made by an older program, does not hold.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drift/calibration.hpp"
#include "drift/near.hpp"

namespace driftd::drift {

enum class Rule { blend, knn, rmean, d1r3, mean };
inline constexpr std::array kRules{Rule::blend, Rule::knn, Rule::rmean, Rule::d1r3, Rule::mean};

// rule_of throws Error invalid_argument that lists the names.
[[nodiscard]] Rule rule_of(std::string_view name);
[[nodiscard]] std::string_view name_of(Rule rule);
[[nodiscard]] std::string rule_names();  // "blend, knn, rmean, d1r3 or mean"

// The score of an image whose nearest training images are `near`, ascending by distance: kNeighbours of them, or all
// that were found (fewer are read as if the last went on). 0 or so for a typical training image under blend and d1r3;
// larger is stranger under every rule. k matters to knn and mean. The score is rounded to float, as the leave-one-out
// scores are, so that ranks compare like with like. O(kNeighbours).
[[nodiscard]] double score(Rule rule, std::span<const Near> near, const Calibration& calibration,
                           std::size_t k = kDefaultK);

// The leave-one-out scores that a rule's p-values are ranks among, ascending.
[[nodiscard]] const std::vector<float>& leave_one_out(const Calibration& calibration, Rule rule,
                                                      std::size_t k = kDefaultK);

// (1 + #{leave-one-out scores >= score}) / (ranked + 1), in (0, 1]; O(log n).
[[nodiscard]] double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k = kDefaultK);

// The smallest score whose p-value is <= alpha, 0 < alpha < 1. For the plain distance beside any rule, ask with
// Rule::knn. Throws Error invalid_argument when the reference is too small for any p-value to reach alpha: it must hold
// 1 / alpha - 1 images.
[[nodiscard]] double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k = kDefaultK);

}  // namespace driftd::drift
