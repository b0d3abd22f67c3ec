#include "drift/scorer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
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

double raw_score(Rule rule, std::span<const Near> near, const Calibration& calibration, std::size_t k) {
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
  }
  return 0;
}

const std::vector<float>& kept_scores(const Calibration& calibration, Rule rule, std::size_t k) {
  switch (rule) {
    case Rule::blend:
      return calibration.blend;
    case Rule::knn:
      return calibration.knn[k - 1];
    case Rule::rmean:
      return calibration.rmean;
    case Rule::d1r3:
      return calibration.d1r3;
    case Rule::mean:
      return calibration.mean[k - 1];
  }
  return calibration.blend;
}

}  // namespace

Rule rule_of(std::string_view name) {
  for (const auto rule : kRules) {
    if (name == name_of(rule)) return rule;
  }
  throw Error{Errc::invalid_argument, "unknown rule '" + std::string{name.substr(0, 64)} + "': choose " + rule_names()};
}

std::string_view name_of(Rule rule) {
  switch (rule) {
    case Rule::blend:
      return "blend";
    case Rule::knn:
      return "knn";
    case Rule::rmean:
      return "rmean";
    case Rule::d1r3:
      return "d1r3";
    case Rule::mean:
      return "mean";
  }
  return "";
}

std::string rule_names() {
  std::string names;
  for (const auto rule : kRules) {
    names += rule == kRules.front() ? "" : rule == kRules.back() ? " or " : ", ";
    names += name_of(rule);
  }
  return names;
}

double score(Rule rule, std::span<const Near> near, const Calibration& calibration, std::size_t k) {
  check_k(k);
  check_near(near);
  return static_cast<float>(raw_score(rule, near, calibration, k));
}

const std::vector<float>& leave_one_out(const Calibration& calibration, Rule rule, std::size_t k) {
  check_k(k);
  const auto& scores = kept_scores(calibration, rule, k);
  if (scores.empty()) {
    throw Error{Errc::invalid_argument, "the reference's calibration has no scores of the rule " +
                                            std::string{name_of(rule)} +
                                            ": an older driftd made it; build the reference again, or choose blend"};
  }
  return scores;
}

double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k) {
  if (!std::isfinite(score)) throw Error{Errc::invalid_argument, "a p-value needs a finite score"};
  const auto& ranks = leave_one_out(calibration, rule, k);
  const auto at_least = ranks.end() - std::ranges::lower_bound(ranks, score, {}, [](float x) { return double{x}; });
  return (1 + static_cast<double>(at_least)) / (static_cast<double>(ranks.size()) + 1);
}

double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k) {
  const auto& ranks = leave_one_out(calibration, rule, k);
  const auto allowed = conformal_ranks(alpha, ranks.size());
  if (allowed == 0) {
    const auto needed = static_cast<std::size_t>(std::ceil(1 / alpha)) - 1;
    throw Error{Errc::invalid_argument,
                "alpha " + std::to_string(alpha) + " is out of reach: p-values of a reference of " +
                    std::to_string(ranks.size()) + " images start at 1/" + std::to_string(ranks.size() + 1) +
                    "; add images until there are " + std::to_string(needed) + ", or raise alpha"};
  }
  return std::nextafter(ranks[ranks.size() - allowed], std::numeric_limits<float>::infinity());
}

}  // namespace driftd::drift
