#include "drift/scorer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr double kSmallestFloor = 1e-6;  // a distance of 0 must have a logarithm

void check_k(std::size_t k) {
  if (k < 1 || k > kNeighbours) {
    throw Error{Errc::invalid_argument, "k is " + std::to_string(k) + ": choose 1 to " + std::to_string(kNeighbours)};
  }
}

void check_neighbours(std::span<const float> distances, std::span<const std::int64_t> rows, std::size_t needed) {
  if (distances.size() < needed || rows.size() != distances.size()) {
    throw Error{Errc::invalid_argument, "a score needs " + std::to_string(needed) +
                                            " neighbours, each with a row and a distance; search with that k"};
  }
  if (rows.front() < 0) {
    throw Error{Errc::invalid_argument,
                "the search found no neighbour: is the reference empty, or the probe too narrow?"};
  }
  for (std::size_t i = 0; i < needed && rows[i] >= 0; ++i) {
    if (!std::isfinite(distances[i]) || distances[i] < 0) {
      throw Error{Errc::invalid_argument, "neighbour " + std::to_string(i + 1) + " has a distance that is no number"};
    }
  }
}

double floor_of(const Calibration& calibration) {
  return std::max(calibration.duplicate_distance, kSmallestFloor);
}

// The distance to the k-th neighbour; where the search found fewer, to the last one.
double distance_at(std::span<const float> distances, std::span<const std::int64_t> rows, std::size_t k) {
  auto i = k - 1;
  while (rows[i] < 0) --i;
  return distances[i];
}

// How far the first k neighbours are from their own k-th neighbours, on average.
double neighbours_own(std::span<const std::int64_t> rows, std::size_t k, std::span<const float> own, double typical,
                      double floor) {
  double sum = 0;
  std::size_t known = 0;
  for (const auto row : rows.first(k)) {
    if (row < 0 || static_cast<std::size_t>(row) >= own.size()) continue;
    sum += std::max<double>(own[static_cast<std::size_t>(row)], floor);
    ++known;
  }
  return known == 0 ? std::max(typical, floor) : sum / static_cast<double>(known);
}

const std::vector<float>& ranks_of(const Calibration& calibration, Rule rule, std::size_t k) {
  check_k(k);
  return rule == Rule::blend ? calibration.blend : calibration.knn[k - 1];
}

}  // namespace

Rule rule_of(std::string_view name) {
  if (name == "blend") return Rule::blend;
  if (name == "knn") return Rule::knn;
  throw Error{Errc::invalid_argument, "unknown rule '" + std::string{name.substr(0, 64)} + "': choose blend or knn"};
}

std::string_view name_of(Rule rule) {
  return rule == Rule::blend ? "blend" : "knn";
}

std::array<double, 4> blend_terms(std::span<const float> distances, std::span<const std::int64_t> rows,
                                  const Calibration& calibration) {
  const double floor = floor_of(calibration);
  const auto far = [&](std::size_t k) { return std::max(distance_at(distances, rows, k), floor); };
  const double own3 = neighbours_own(rows, 3, calibration.own3, calibration.typical_own3, floor);
  const double own10 = neighbours_own(rows, 10, calibration.own10, calibration.typical_own10, floor);
  return {std::log(far(1)), std::log(far(10)), std::log(far(3) / own3), std::log(far(10) / own10)};
}

float blend(const std::array<double, 4>& terms, const Calibration& calibration) {
  double sum = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    sum += (terms[i] - calibration.terms[i].median) / calibration.terms[i].spread;
  }
  return static_cast<float>(sum);
}

double score(Rule rule, std::span<const float> distances, std::span<const std::int64_t> rows,
             const Calibration& calibration, std::size_t k) {
  check_k(k);
  check_neighbours(distances, rows, rule == Rule::blend ? kNeighbours : k);
  if (rule == Rule::knn) return distance_at(distances, rows, k);
  return blend(blend_terms(distances, rows, calibration), calibration);
}

double p_value(double score, const Calibration& calibration, Rule rule, std::size_t k) {
  if (!std::isfinite(score)) throw Error{Errc::invalid_argument, "a p-value needs a finite score"};
  const auto& ranks = ranks_of(calibration, rule, k);
  const auto at_least = ranks.end() - std::ranges::lower_bound(ranks, score, {}, [](float x) { return double{x}; });
  return (1 + static_cast<double>(at_least)) / (static_cast<double>(ranks.size()) + 1);
}

double threshold(double alpha, const Calibration& calibration, Rule rule, std::size_t k) {
  const auto& ranks = ranks_of(calibration, rule, k);
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
