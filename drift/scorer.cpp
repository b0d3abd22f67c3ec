#include "drift/scorer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "drift/coverage.hpp"
#include "drift/scores/rules.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

void check_k(std::size_t k) {
  if (k < 1 || k > kNeighbours) {
    throw Error{Errc::invalid_argument, "k is " + std::to_string(k) + ": choose 1 to " + std::to_string(kNeighbours)};
  }
}

void check_near(std::span<const Near> near) {
  if (near.empty()) throw Error{Errc::invalid_argument, "a score needs at least one neighbour"};
  const auto number = [](float x) { return std::isfinite(x) && x >= 0; };
  for (const auto& one : near) {
    if (!number(one.distance) || !number(one.own3) || !number(one.own10)) {
      throw Error{Errc::invalid_argument, "a neighbour has a distance that is no number"};
    }
  }
}

void check_vectors(std::span<const Near> near, const Gaussian& gaussian, const Vectors& vectors) {
  const auto d = vectors.image.size();
  if (d == 0 || vectors.near.rows != near.size() || vectors.near.cols != d || gaussian.mean.size() != d) {
    throw Error{Errc::invalid_argument,
                "a score by l1 or mahalanobis needs the embeddings of the image and its neighbours"};
  }
  if (!std::ranges::all_of(vectors.image, [](float x) { return std::isfinite(x); })) {
    throw Error{Errc::invalid_argument, "an embedding has a value that is no number"};
  }
}

double raw_score(Rule rule, std::span<const Near> near, const Calibration& calibration, std::size_t k,
                 const Vectors& vectors) {
  const double floor = floor_of(calibration);
  switch (rule) {
    case Rule::blend:
      return scores::blend(terms_of(near, floor), calibration.terms);
    case Rule::knn:
      return scores::knn(near, k);
    case Rule::rmean:
      return scores::rmean(near, floor);
    case Rule::d1r3:
      return scores::d1r3(terms_of(near, floor), calibration.terms);
    case Rule::mean:
      return scores::mean(near, k);
    case Rule::l1:
      return scores::l1(vectors.image, vectors.near)[k - 1];
    case Rule::mahalanobis:
      return scores::mahalanobis(vectors.image, calibration.gaussian);
  }
  return 0;
}

const Ranks& ranks_of(const Calibration& calibration, Rule rule, std::size_t k) {
  check_k(k);
  const auto& ranks = calibration.ranks[list_of(rule, k)];
  if (ranks.scores.empty()) {
    throw Error{Errc::invalid_argument, "the reference's calibration has no scores of the rule " +
                                            std::string{name_of(rule)} +
                                            ": an older driftd made it; build the reference again, or choose blend"};
  }
  return ranks;
}

const Ranks& labelled_ranks(const Calibration& calibration, Rule rule, std::size_t k) {
  const auto& ranks = ranks_of(calibration, rule, k);
  if (ranks.labels.empty()) {
    throw Error{Errc::invalid_argument,
                "the reference's calibration knows no labels to rank within: its items have fewer than two labels, or "
                "an older driftd made it; build it again from labelled images, or switch per_label off"};
  }
  return ranks;
}

// As many as there are labels for an unknown one.
std::size_t label_number(const Calibration& calibration, std::string_view label) {
  const auto found = std::ranges::lower_bound(calibration.labels, label, std::less<>{});
  const bool known = found != calibration.labels.end() && *found == label;
  return known ? static_cast<std::size_t>(found - calibration.labels.begin()) : calibration.labels.size();
}

// Calibration scores that are at least as large.
std::size_t count_from(double score, const Ranks& ranks) {
  if (!std::isfinite(score)) throw Error{Errc::invalid_argument, "a p-value needs a finite score"};
  const auto first = std::ranges::lower_bound(ranks.scores, score, {}, [](float x) { return double{x}; });
  return static_cast<std::size_t>(ranks.scores.end() - first);
}

double pooled_p_value(std::size_t at_least, const Calibration& calibration) {
  return (1 + static_cast<double>(at_least)) / (static_cast<double>(calibration.ranked()) + 1);
}

// Of a score that `at_least` calibration scores reach.
double p_value_of_label(std::size_t at_least, const Calibration& calibration, const Ranks& ranks, std::size_t label) {
  const double pooled = pooled_p_value(at_least, calibration);
  const auto count = [&](auto first) {
    return static_cast<double>(std::count(first, ranks.labels.end(), static_cast<std::uint16_t>(label)));
  };
  if (label >= calibration.labels.size()) return pooled;
  const double larger = count(ranks.labels.end() - static_cast<std::ptrdiff_t>(at_least));
  const double all = count(ranks.labels.begin());
  const double weight = all / (all + kLabelWeight);
  return std::pow((1 + larger) / (all + 1), weight) * std::pow(pooled, 1 - weight);
}

Error out_of_reach(double alpha, std::size_t images) {
  return Error{Errc::invalid_argument,
               "alpha " + std::to_string(alpha) + " is out of reach: p-values of a reference of " +
                   std::to_string(images) + " images start at 1/" + std::to_string(images + 1) +
                   "; add images until there are " + std::to_string(images_needed(alpha)) + ", or raise alpha"};
}

}  // namespace

double score(Rule rule, std::span<const Near> near, const Calibration& calibration, std::size_t k,
             const Vectors& vectors) {
  check_k(k);
  check_near(near);
  if (needs_vectors(rule)) {
    (void)ranks_of(calibration, rule, k);  // names what is missing where the calibration is too old
    check_vectors(near, calibration.gaussian, vectors);
  }
  return static_cast<float>(raw_score(rule, near, calibration, k, vectors));
}

const std::vector<float>& leave_one_out(const Calibration& calibration, Rule rule, std::size_t k) {
  return ranks_of(calibration, rule, k).scores;
}

double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k) {
  return pooled_p_value(count_from(score, ranks_of(calibration, rule, k)), calibration);
}

double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k, std::string_view label) {
  const auto& ranks = labelled_ranks(calibration, rule, k);
  return p_value_of_label(count_from(score, ranks), calibration, ranks, label_number(calibration, label));
}

double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k) {
  const auto& ranks = leave_one_out(calibration, rule, k);
  const auto allowed = conformal_ranks(alpha, ranks.size());
  if (allowed == 0) throw out_of_reach(alpha, ranks.size());
  return std::nextafter(ranks[ranks.size() - allowed], std::numeric_limits<float>::infinity());
}

// p-values fall as scores rise: the last score whose p-value is above alpha is found by halving.
double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k, std::string_view label) {
  const auto& ranks = labelled_ranks(calibration, rule, k);
  const auto number = label_number(calibration, label);
  const auto p_of = [&](std::size_t at_least) { return p_value_of_label(at_least, calibration, ranks, number); };
  if (p_of(0) > alpha) throw out_of_reach(alpha, ranks.scores.size());
  std::size_t allowed = 0;  // so many scores may be at least as large
  std::size_t refused = ranks.scores.size() + 1;
  while (refused - allowed > 1) {
    const auto middle = (allowed + refused) / 2;
    (middle <= ranks.scores.size() && p_of(middle) <= alpha ? allowed : refused) = middle;
  }
  if (allowed == ranks.scores.size()) return ranks.scores.front();
  return std::nextafter(ranks.scores[ranks.scores.size() - allowed - 1], std::numeric_limits<float>::infinity());
}

}  // namespace driftd::drift
