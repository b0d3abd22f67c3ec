// The rules by which an image becomes a score, by name: see drift/scores/, one file each with its idea and source.
//
// Thread-safe: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace driftd::drift {

// Neighbours that a score looks at; the k of the rules that have one is at most this.
inline constexpr std::size_t kNeighbours = 10;
// Rank of the neighbour whose distance is shown, and k where none is given.
inline constexpr std::size_t kDefaultK = 3;

// In the order of the stored format.
enum class Rule { blend, knn, rmean, d1r3, mean, l1, mahalanobis };
inline constexpr std::array kRules{Rule::blend, Rule::knn, Rule::rmean,      Rule::d1r3,
                                   Rule::mean,  Rule::l1,  Rule::mahalanobis};

// rule_of throws Error invalid_argument that lists the names.
[[nodiscard]] Rule rule_of(std::string_view name);
[[nodiscard]] std::string_view name_of(Rule rule);
[[nodiscard]] std::string rule_names();  // "blend, knn, rmean, d1r3, mean, l1 or mahalanobis"

// Whether k changes the score.
[[nodiscard]] constexpr bool has_k(Rule rule) {
  return rule == Rule::knn || rule == Rule::mean || rule == Rule::l1;
}
// Whether a score needs embeddings beside distances (Vectors in near.hpp).
[[nodiscard]] bool needs_vectors(Rule rule);

}  // namespace driftd::drift
