#include "drift/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "drift/scorer.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kFirstK = 16;  // a row, ten neighbours and room for a few copies
constexpr std::size_t kLastK = 1024;
constexpr double kSmallestFloor = 1e-6;
constexpr double kNormalMad = 1.4826;  // MAD times this estimates the standard deviation of normal values

// What the leave-one-out search found, kNeighbours per row.
struct Found {
  explicit Found(std::size_t n) : distances(n * kNeighbours), rows(n * kNeighbours, -1), counts(n), has_copy(n) {}

  [[nodiscard]] bool complete(std::size_t row) const { return counts[row] == kNeighbours; }
  [[nodiscard]] std::span<const float> distances_of(std::size_t row) const {
    return std::span{distances}.subspan(row * kNeighbours, kNeighbours);
  }
  [[nodiscard]] std::span<const std::int64_t> rows_of(std::size_t row) const {
    return std::span{rows}.subspan(row * kNeighbours, kNeighbours);
  }

  std::vector<float> distances;
  std::vector<std::int64_t> rows;
  std::vector<std::uint8_t> counts;
  std::vector<bool> has_copy;
};

void check_shape(const Neighbours& answer, std::size_t queries, std::size_t k) {
  if (answer.k != k || answer.distances.size() != queries * k || answer.rows.size() != queries * k) {
    throw Error{Errc::internal, "calibration: the search for " + std::to_string(queries) + " x " + std::to_string(k) +
                                    " neighbours returned another number of them"};
  }
}

// Takes a row's nearest distinct neighbours from the answer to its query.
void take_distinct(std::size_t row, std::span<const float> distances, std::span<const std::int64_t> rows, std::size_t n,
                   double duplicate_distance, Found& found) {
  std::size_t count = 0;
  float last = 0;
  for (std::size_t i = 0; i < rows.size() && rows[i] >= 0 && count < kNeighbours; ++i) {
    const auto other = static_cast<std::size_t>(rows[i]);
    if (other >= n || !std::isfinite(distances[i]) || distances[i] < last) {
      throw Error{Errc::internal,
                  "calibration: the search returned an unknown row, or distances that are not numbers in "
                  "ascending order, for row " +
                      std::to_string(row) + "; verify the index"};
    }
    last = distances[i];
    if (other == row) continue;
    if (distances[i] <= duplicate_distance) {
      found.has_copy[row] = true;
      continue;
    }
    found.distances[row * kNeighbours + count] = distances[i];
    found.rows[row * kNeighbours + count] = rows[i];
    ++count;
  }
  found.counts[row] = static_cast<std::uint8_t>(count);
}

// Searches the rows with growing k until each has its distinct neighbours or kLastK is reached.
void search_rows(std::vector<std::int64_t> rows, std::size_t n, const NeighbourSource& search,
                 const CalibrationOptions& options, Found& found) {
  for (std::size_t k = std::min(kFirstK, n); !rows.empty(); k = std::min({2 * k, kLastK, n})) {
    std::vector<std::int64_t> unfinished;
    const auto batch = std::max<std::size_t>(1, options.block * kFirstK / k);  // the answers stay as small as the first
    for (std::size_t first = 0; first < rows.size(); first += batch) {
      const auto part = std::span{std::as_const(rows)}.subspan(first, std::min(batch, rows.size() - first));
      const auto answer = search(part, k);
      check_shape(answer, part.size(), k);
      for (std::size_t i = 0; i < part.size(); ++i) {
        const auto row = static_cast<std::size_t>(part[i]);
        take_distinct(row, std::span{answer.distances}.subspan(i * k, k), std::span{answer.rows}.subspan(i * k, k), n,
                      options.duplicate_distance, found);
        if (!found.complete(row)) unfinished.push_back(part[i]);
      }
    }
    if (k >= std::min(kLastK, n)) return;
    rows = std::move(unfinished);
  }
}

Found search_all(std::size_t n, const NeighbourSource& search, const CalibrationOptions& options) {
  Found found{n};
  for (std::size_t first = 0; first < n; first += options.block) {
    std::vector<std::int64_t> rows(std::min(options.block, n - first));
    std::iota(rows.begin(), rows.end(), static_cast<std::int64_t>(first));
    search_rows(std::move(rows), n, search, options, found);
    if (options.progress) options.progress(std::min(first + options.block, n));
  }
  return found;
}

// Each row's own distances, from which others' local ratios are made.
void fill_own(const Found& found, Calibration& calibration) {
  const auto floor = static_cast<float>(calibration.duplicate_distance);
  std::vector<double> all3;
  std::vector<double> all10;
  calibration.own3.assign(calibration.n, floor);
  calibration.own10.assign(calibration.n, floor);
  for (std::size_t row = 0; row < calibration.n; ++row) {
    if (!found.complete(row)) continue;
    calibration.own3[row] = found.distances_of(row)[2];
    calibration.own10[row] = found.distances_of(row)[9];
    all3.push_back(calibration.own3[row]);
    all10.push_back(calibration.own10[row]);
  }
  calibration.typical_own3 = median(std::move(all3));
  calibration.typical_own10 = median(std::move(all10));
}

Standard standard_of(const std::vector<Terms>& terms, std::size_t which) {
  std::vector<double> values;
  values.reserve(terms.size());
  for (const auto& term : terms) values.push_back(term[which]);
  const double centre = median(values);
  return {centre, std::max(kNormalMad * median_absolute_deviation(std::move(values), centre), kSpreadFloor)};
}

// What each ranked row's score is made of.
std::vector<std::vector<Near>> ranked_rows(const Found& found, const Calibration& calibration) {
  std::vector<std::vector<Near>> rows;
  rows.reserve(calibration.n - calibration.excluded);
  for (std::size_t row = 0; row < calibration.n; ++row) {
    if (found.complete(row)) rows.push_back(near_of(found.distances_of(row), found.rows_of(row), calibration));
  }
  return rows;
}

void fill_terms(const std::vector<std::vector<Near>>& rows, Calibration& calibration) {
  std::vector<Terms> terms;
  terms.reserve(rows.size());
  for (const auto& near : rows) terms.push_back(terms_of(near, floor_of(calibration)));
  for (std::size_t i = 0; i < calibration.terms.size(); ++i) calibration.terms[i] = standard_of(terms, i);
}

void fill_scores(const std::vector<std::vector<Near>>& rows, Calibration& calibration) {
  const auto scores_by = [&](Rule rule, std::size_t k) {
    std::vector<float> scores;
    scores.reserve(rows.size());
    for (const auto& near : rows) scores.push_back(static_cast<float>(score(rule, near, calibration, k)));
    std::ranges::sort(scores);
    return scores;
  };
  calibration.blend = scores_by(Rule::blend, kDefaultK);
  calibration.rmean = scores_by(Rule::rmean, kDefaultK);
  calibration.d1r3 = scores_by(Rule::d1r3, kDefaultK);
  for (std::size_t k = 1; k <= kNeighbours; ++k) {
    calibration.knn[k - 1] = scores_by(Rule::knn, k);
    calibration.mean[k - 1] = scores_by(Rule::mean, k);
  }
}

void require_images(std::size_t n, std::size_t ranked, const CalibrationOptions& options) {
  const auto needed = std::max(options.min_items, kNeighbours + 1);
  if (ranked >= needed) return;
  const auto hidden = n == ranked ? ""
                                  : " that differ from their " + std::to_string(kNeighbours) + " nearest (" +
                                        std::to_string(n) + " in all; copies do not count)";
  throw Error{Errc::invalid_argument,
              "the reference has " + std::to_string(ranked) + " images" + hidden + ", calibration needs " +
                  std::to_string(needed) +
                  ": p-values are ranks among them, and with so few no decision is reliable; add "
                  "different images of the same source"};
}

void check_options(std::size_t n, const CalibrationOptions& options) {
  if (!std::isfinite(options.duplicate_distance) || options.duplicate_distance < 0) {
    throw Error{Errc::invalid_argument, "calibration: duplicate_distance must be a number of at least 0"};
  }
  if (options.block < 1 || options.block > 1 << 20) {
    throw Error{Errc::invalid_argument, "calibration: block must be 1 to 1048576 rows"};
  }
  require_images(n, n, options);
}

}  // namespace

double default_duplicate_distance(std::size_t pools) {
  return 0.01 * std::sqrt(static_cast<double>(pools));
}

double floor_of(const Calibration& calibration) {
  return std::max(calibration.duplicate_distance, kSmallestFloor);
}

Calibration calibrate(std::size_t n, const NeighbourSource& search, const CalibrationOptions& options) {
  check_options(n, options);
  const auto found = search_all(n, search, options);
  Calibration calibration;
  calibration.n = n;
  calibration.duplicate_distance = options.duplicate_distance;
  calibration.duplicates = static_cast<std::size_t>(std::ranges::count(found.has_copy, true));
  calibration.excluded = static_cast<std::size_t>(
      std::ranges::count_if(found.counts, [](std::uint8_t count) { return count < kNeighbours; }));
  require_images(n, n - calibration.excluded, options);
  fill_own(found, calibration);
  const auto rows = ranked_rows(found, calibration);
  fill_terms(rows, calibration);
  fill_scores(rows, calibration);
  return calibration;
}

}  // namespace driftd::drift
