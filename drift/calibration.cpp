#include "drift/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "drift/coverage.hpp"
#include "drift/distinct.hpp"
#include "drift/out_of_fold.hpp"
#include "drift/scorer.hpp"
#include "drift/scores/rules.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr double kSmallestFloor = 1e-6;
constexpr double kNormalMad = 1.4826;  // MAD times this estimates the standard deviation of normal values

using Rows = std::span<const std::int64_t>;

Matrix chosen(const Matrix& vectors, Rows rows) {
  Matrix result{rows.size(), vectors.cols};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(vectors.row(static_cast<std::size_t>(rows[i])), result.row(i).begin());
  }
  return result;
}

// What the scores of an image are made of.
struct Image {
  std::size_t number = 0;  // among those asked for
  std::vector<Near> near;
  std::uint16_t label = 0;  // voted
  std::array<double, kNeighbours> l1{};
  double mahalanobis = 0;
};

// Each row's own distances, from which others' local ratios are made.
void fill_own(const Distinct& found, Calibration& calibration) {
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

void fill_terms(const std::vector<Image>& images, Calibration& calibration) {
  std::vector<Terms> terms;
  terms.reserve(images.size());
  for (const auto& image : images) terms.push_back(terms_of(image.near, floor_of(calibration)));
  for (std::size_t i = 0; i < calibration.terms.size(); ++i) calibration.terms[i] = standard_of(terms, i);
}

// The reference's labels: their names go to the calibration, a number for each row is returned. One label, or more than
// a number holds, tell nothing apart.
std::vector<std::uint16_t> label_numbers(const std::vector<std::string>& labels, Calibration& calibration) {
  const std::set<std::string_view> names{labels.begin(), labels.end()};
  if (names.size() < 2 || names.size() > std::numeric_limits<std::uint16_t>::max()) return {};
  calibration.labels.assign(names.begin(), names.end());
  std::vector<std::uint16_t> numbers;
  for (const auto& label : labels) {
    const auto at = std::ranges::lower_bound(calibration.labels, label) - calibration.labels.begin();
    numbers.push_back(static_cast<std::uint16_t>(at));
  }
  return numbers;
}

// Of equally frequent ones that of the nearest.
std::uint16_t vote(Rows rows, const std::vector<std::uint16_t>& numbers) {
  std::uint16_t best = 0;
  std::ptrdiff_t most = 0;
  for (const auto row : rows) {
    const auto number = numbers[static_cast<std::size_t>(row)];
    const auto votes =
        std::ranges::count_if(rows, [&](auto r) { return numbers[static_cast<std::size_t>(r)] == number; });
    if (votes > most) best = number;
    most = std::max(most, votes);
  }
  return best;
}

// A row that is left out is no neighbour of its neighbours either: a fresh image is none, and with it their own
// distances would be smaller than the ones that it meets.
void leave_out(std::size_t row, const Distinct& found, const std::vector<std::uint32_t>& groups,
               std::vector<Near>& near) {
  const auto left_out = [&](std::int64_t other) {
    const auto o = static_cast<std::size_t>(other);
    return o == row || (!groups.empty() && groups[o] == groups[row]);
  };
  for (std::size_t i = 0; i < near.size(); ++i) {
    const auto neighbour = static_cast<std::size_t>(found.rows_of(row)[i]);
    if (!found.complete(neighbour)) continue;
    near[i].own3 = found.distance_without(neighbour, 3, left_out);
    near[i].own10 = found.distance_without(neighbour, kNeighbours, left_out);
  }
}

// own: the images are the reference's rows.
std::vector<Image> ranked_images(const Distinct& found, const Calibration& calibration, bool own,
                                 const std::vector<std::uint32_t>& groups, const std::vector<std::uint16_t>& numbers) {
  std::vector<Image> images;
  for (std::size_t i = 0; i < found.counts.size(); ++i) {
    if (!found.complete(i)) continue;
    images.push_back({i, near_of(found.distances_of(i), found.rows_of(i), calibration), 0, {}, 0});
    if (own) leave_out(i, found, groups, images.back().near);
    if (!numbers.empty()) images.back().label = vote(found.rows_of(i), numbers);
  }
  return images;
}

// Both as a function of the images' own vectors, in blocks.
void measure_vectors(std::vector<Image>& images, const Distinct& found, const VectorSource& vectors,
                     const VectorSource& near_vectors,
                     const std::function<double(std::size_t image, std::span<const float>)>& mahalanobis) {
  constexpr std::size_t kBlock = 256;
  for (std::size_t first = 0; first < images.size(); first += kBlock) {
    const auto part = std::span{images}.subspan(first, std::min(kBlock, images.size() - first));
    std::vector<std::int64_t> numbers;
    std::vector<std::int64_t> rows;
    for (const auto& image : part) {
      const auto near = found.rows_of(image.number);
      numbers.push_back(static_cast<std::int64_t>(image.number));
      rows.insert(rows.end(), near.begin(), near.end());
    }
    const auto own = vectors(numbers);
    const auto others = near_vectors(rows);
    for (std::size_t i = 0; i < part.size(); ++i) {
      const MatrixView near{kNeighbours, others.cols, others.row(i * kNeighbours).data()};
      part[i].l1 = scores::l1(own.row(i), near);
      part[i].mahalanobis = mahalanobis(part[i].number, own.row(i));
    }
  }
}

double score_of(const Image& image, Rule rule, std::size_t k, const Calibration& calibration) {
  if (rule == Rule::l1) return static_cast<float>(image.l1[k - 1]);
  if (rule == Rule::mahalanobis) return static_cast<float>(image.mahalanobis);
  return score(rule, image.near, calibration, k);
}

Ranks ranks_by(Rule rule, std::size_t k, const std::vector<Image>& images, const Calibration& calibration) {
  std::vector<std::pair<float, std::uint16_t>> pairs;
  pairs.reserve(images.size());
  for (const auto& image : images) {
    pairs.emplace_back(static_cast<float>(score_of(image, rule, k, calibration)), image.label);
  }
  std::ranges::sort(pairs);
  Ranks ranks;
  for (const auto& [score, label] : pairs) ranks.scores.push_back(score);
  if (calibration.labels.empty()) return ranks;
  for (const auto& [score, label] : pairs) ranks.labels.push_back(label);
  return ranks;
}

void fill_ranks(const std::vector<Image>& images, const CalibrationOptions& options, Calibration& calibration) {
  for (const auto rule : kRules) {
    if (needs_vectors(rule) && !options.vectors) continue;
    for (std::size_t k = 1; k <= (has_k(rule) ? kNeighbours : 1); ++k) {
      calibration.ranks[list_of(rule, k)] = ranks_by(rule, k, images, calibration);
    }
  }
  calibration.effective = static_cast<double>(images.size());
  if (options.groups.empty()) return;
  std::vector<double> values;
  std::vector<std::uint32_t> groups;
  for (const auto& image : images) {
    values.push_back(score(Rule::blend, image.near, calibration));
    groups.push_back(options.groups[image.number]);
  }
  calibration.groups = std::set<std::uint32_t>{groups.begin(), groups.end()}.size();
  calibration.effective = effective_size(values, groups);
}

void require_images(std::size_t n, std::size_t ranked, const CalibrationOptions& options,
                    const std::string& whose = "the reference has ") {
  const auto needed = std::max(options.min_items, kNeighbours + 1);
  if (ranked >= needed) return;
  const auto hidden = n == ranked ? ""
                                  : " that differ from their " + std::to_string(kNeighbours) + " nearest (" +
                                        std::to_string(n) + " in all; copies do not count)";
  throw Error{Errc::invalid_argument,
              whose + std::to_string(ranked) + " images" + hidden + ", calibration needs " + std::to_string(needed) +
                  ": p-values are ranks among them, and with so few no decision is reliable; add "
                  "different images of the same source"};
}

void check_groups(std::size_t images, const CalibrationOptions& options) {
  if (options.groups.empty()) return;
  if (options.groups.size() != images) throw Error{Errc::invalid_argument, "calibration: each image needs a group"};
  const std::set<std::uint32_t> different{options.groups.begin(), options.groups.end()};
  if (different.size() >= kMinGroups) return;
  throw Error{Errc::invalid_argument,
              "the images belong to " + std::to_string(different.size()) + " groups, calibration by groups needs " +
                  std::to_string(kMinGroups) +
                  ": with fewer, one group alone is more than a twentieth of all, and how "
                  "groups differ cannot be told; add images of other groups, or calibrate without groups"};
}

void check_options(std::size_t n, const CalibrationOptions& options) {
  if (!std::isfinite(options.duplicate_distance) || options.duplicate_distance < 0) {
    throw Error{Errc::invalid_argument, "calibration: duplicate_distance must be a number of at least 0"};
  }
  if (options.block < 1 || options.block > 1 << 20) {
    throw Error{Errc::invalid_argument, "calibration: block must be 1 to 1048576 rows"};
  }
  check_groups(n, options);
}

void check_labels(std::size_t n, const std::vector<std::string>& labels) {
  if (!labels.empty() && labels.size() != n) {
    throw Error{Errc::invalid_argument, "calibration: each row of the reference needs a label, or none"};
  }
}

std::size_t count_incomplete(const Distinct& found) {
  return static_cast<std::size_t>(
      std::ranges::count_if(found.counts, [](std::uint8_t count) { return count < kNeighbours; }));
}

}  // namespace

double default_duplicate_distance(std::size_t pools) {
  return 0.01 * std::sqrt(static_cast<double>(pools));
}

double floor_of(const Calibration& calibration) {
  return std::max(calibration.duplicate_distance, kSmallestFloor);
}

std::string_view name_of(Method method) {
  switch (method) {
    case Method::leave_one_out:
      return "leave one out";
    case Method::leave_one_group_out:
      return "leave one group out";
    case Method::held_out:
      return "held out";
  }
  return "";
}

Calibration calibrate(std::size_t n, const NeighbourSource& search, const CalibrationOptions& options) {
  check_options(n, options);
  require_images(n, n, options);
  check_labels(n, options.labels);
  const auto found = find_distinct({n, n, true}, search, options);
  Calibration calibration;
  calibration.n = n;
  calibration.duplicate_distance = options.duplicate_distance;
  calibration.duplicates = static_cast<std::size_t>(std::ranges::count(found.has_copy, true));
  calibration.excluded = count_incomplete(found);
  calibration.method = options.groups.empty() ? Method::leave_one_out : Method::leave_one_group_out;
  require_images(n, n - calibration.excluded, options);
  fill_own(found, calibration);
  auto images = ranked_images(found, calibration, true, options.groups, label_numbers(options.labels, calibration));
  fill_terms(images, calibration);
  if (options.vectors) {
    const OutOfFold folds{n, options.vectors, options.groups};
    calibration.gaussian = folds.all();
    measure_vectors(images, found, options.vectors, options.vectors,
                    [&](std::size_t row, std::span<const float> vector) {
                      return scores::mahalanobis(vector, folds.without(row));
                    });
  }
  fill_ranks(images, options, calibration);
  return calibration;
}

void rank_held_out(Calibration& calibration, const HeldOut& images, const NeighbourSource& search,
                   const CalibrationOptions& options) {
  auto own = options;
  own.groups = images.groups;
  const auto count = images.vectors.rows;
  check_options(count, own);
  const std::string whose = "for calibration there are, outside the index, ";
  require_images(count, count, own, whose);
  check_labels(calibration.n, own.labels);
  const auto found = find_distinct({count, calibration.n, false}, search, own);
  require_images(count, count - count_incomplete(found), own, whose);
  auto ranked = ranked_images(found, calibration, false, {}, label_numbers(own.labels, calibration));
  if (own.vectors) {
    if (calibration.gaussian.mean.size() != images.vectors.cols) {
      throw Error{Errc::invalid_argument, "the held-out images have vectors of another length than the reference"};
    }
    measure_vectors(
        ranked, found, [&](Rows numbers) { return chosen(images.vectors, numbers); }, options.vectors,
        [&](std::size_t, std::span<const float> vector) { return scores::mahalanobis(vector, calibration.gaussian); });
  }
  calibration.method = Method::held_out;
  calibration.groups = 0;
  fill_ranks(ranked, own, calibration);
}

}  // namespace driftd::drift
