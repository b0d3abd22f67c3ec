// From the nearest training images of an image to its score, p-value and decision.
//
// The rules are named in rule.hpp: blend (the default), knn, rmean, d1r3 and mean look at distances alone, l1 and
// mahalanobis at embeddings, too.
// A p-value is the rank among the scores of the calibration (conformal: Vovk et al., "Algorithmic learning in a random
// world", 2005): on images like the reference's, P(p <= alpha) is alpha up to the coarseness of the reference.
//
// Thread-safe: pure functions. All throw Error invalid_argument on a k outside 1..kNeighbours, an input that is not
// finite, or a rule that the calibration, made by an older program, does not hold.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drift/calibration.hpp"
#include "drift/near.hpp"
#include "drift/rule.hpp"

namespace driftd::drift {

// The score of an image whose nearest training images are `near`, ascending by distance: kNeighbours of them, or all
// that were found (fewer are read as if the last went on). 0 or so for a typical training image under blend and d1r3;
// larger is stranger under every rule. k matters to knn, mean and l1. `vectors` is for rules with needs_vectors(). The
// score is rounded to float, as the leave-one-out scores are, so that ranks compare like with like. O(kNeighbours), and
// as rules.hpp says for rules that need vectors.
[[nodiscard]] double score(Rule rule, std::span<const Near> near, const Calibration& calibration,
                           std::size_t k = kDefaultK, const Vectors& vectors = {});

// The scores of the calibration images that a rule's p-values are ranks among, ascending.
[[nodiscard]] const std::vector<float>& leave_one_out(const Calibration& calibration, Rule rule,
                                                      std::size_t k = kDefaultK);

// (1 + #{calibration scores >= score}) / (ranked + 1), in (0, 1]; O(log n).
[[nodiscard]] double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k = kDefaultK);

// The same within the images whose neighbours vote for `label` (Mondrian conformal prediction: Vovk et al., 2005,
// chapter 4), as far as there are enough of them: P_label^w P^(1 - w), with P the p-value among all, P_label the one
// among the n images of the label, and w = n / (n + kLabelWeight), the credibility of n observations (Buhlmann, ASTIN
// Bulletin 4, 1967). A label of few images leans on all of them, an unknown one does so altogether. A
// geometric mean, because an arithmetic one stays large where P does: images of an even label would never be flagged.
// Throws Error invalid_argument where the calibration knows no labels. O(log n) and a pass over the labels.
inline constexpr double kLabelWeight = 20;
[[nodiscard]] double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k,
                             std::string_view label);

// The smallest score whose p-value is <= alpha, 0 < alpha < 1. For the plain distance beside any rule, ask with
// Rule::knn. Throws Error invalid_argument when the reference is too small for any p-value to reach alpha: it must hold
// 1 / alpha - 1 images.
[[nodiscard]] double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k = kDefaultK);
[[nodiscard]] double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k,
                               std::string_view label);

}  // namespace driftd::drift
