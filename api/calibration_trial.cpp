#include "api/calibration_trial.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

#include "api/held_out_split.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kMostItems = 20'000;
constexpr double kShare = 0.2;
constexpr double kHalf = 0.5;

struct Parts {
  Reference calibrated;
  Matrix tried;
};

Reference in_memory(index::Segment items, Normal normal) {
  items.set_companion(std::make_shared<const Normal>(std::move(normal)));
  const auto dimension = items.dimension();
  return {std::make_shared<const index::Snapshot>(1, 0, std::make_shared<const index::Segment>(std::move(items)),
                                                  index::Tail{dimension}.view(), nullptr, nullptr)};
}

// Items left out of the index.
Parts split_items(const Reference& reference, std::size_t pools, const std::function<void(std::size_t)>& progress) {
  const auto& base = reference.items->base();
  const auto& grouping = reference.normal().plan.grouping;
  std::vector<std::int64_t> all(base.size());
  std::iota(all.begin(), all.end(), 0);
  std::vector<std::int64_t> rows;
  std::ranges::sample(all, std::back_inserter(rows), kMostItems, std::mt19937_64{1});
  std::vector<index::Item> items;
  for (const auto row : rows) items.push_back(copy_of(base.item(row)));
  const auto groups = grouping.empty() ? std::vector<std::uint32_t>{} : group_numbers(grouping, items);
  const auto taken = choose_held_out(rows.size(), kShare, groups);
  const auto vectors = base.index().vectors(rows);
  index::Segment rest{base.dimension(), base.metric()};
  Matrix tried{0, base.dimension()};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!taken[i]) {
      rest.add({items[i]}, {1, vectors.cols, vectors.row(i).data()});
      continue;
    }
    tried.data.insert(tried.data.end(), vectors.row(i).begin(), vectors.row(i).end());
    ++tried.rows;
  }
  Normal normal;
  normal.plan.grouping = grouping;
  normal.all = calibrate(rest, pools, progress, normal.plan);
  return {in_memory(std::move(rest), std::move(normal)), std::move(tried)};
}

// Half of the held-out images try what the other half calibrates.
Parts split_held_out(const Reference& reference, std::size_t pools, const std::function<void(std::size_t)>& progress) {
  const auto& base = reference.items->base();
  const auto& held = reference.normal().plan.held_out;
  const auto taken = choose_held_out(held.vectors.rows, kHalf, held.groups);
  Normal normal;
  normal.plan.grouping = reference.normal().plan.grouping;
  auto& ranked = normal.plan.held_out;
  Matrix tried{0, held.vectors.cols};
  ranked.vectors = tried;
  for (std::size_t i = 0; i < held.vectors.rows; ++i) {
    auto& part = taken[i] ? tried : ranked.vectors;
    part.data.insert(part.data.end(), held.vectors.row(i).begin(), held.vectors.row(i).end());
    ++part.rows;
    if (!taken[i] && !held.groups.empty()) ranked.groups.push_back(held.groups[i]);
  }
  std::vector<std::int64_t> rows(base.size());
  std::iota(rows.begin(), rows.end(), 0);
  index::Segment items{base.dimension(), base.metric()};
  items.add(base.items(), base.index().vectors(rows));
  normal.all = calibrate(items, pools, progress, normal.plan);
  return {in_memory(std::move(items), std::move(normal)), std::move(tried)};
}

}  // namespace

double CalibrationTrial::false_alarms(double alpha) const {
  const auto flagged = std::ranges::upper_bound(p_values, alpha) - p_values.begin();
  return static_cast<double>(flagged) / static_cast<double>(p_values.size());
}

double CalibrationTrial::ks_distance() const {
  const auto n = static_cast<double>(p_values.size());
  double largest = 0;
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    const auto below = static_cast<double>(i) / n;
    largest = std::max({largest, std::abs(p_values[i] - below), std::abs(p_values[i] - below - 1 / n)});
  }
  return largest;
}

double CalibrationTrial::ks_limit() const {
  constexpr double kOnePercent = 1.628;
  return kOnePercent * std::sqrt(1 / static_cast<double>(p_values.size()) + 1 / static_cast<double>(calibrated_on));
}

std::size_t images_for_trial(const Reference& reference) {
  const double share = reference.normal().plan.held_out.empty() ? kShare : kHalf;
  return static_cast<std::size_t>(std::ceil(static_cast<double>(drift::CalibrationOptions{}.min_items) / share));
}

CalibrationTrial try_calibration(const Reference& reference, const ScoreOptions& options, std::size_t pools,
                                 const std::function<void(std::size_t)>& progress) {
  const auto parts = reference.normal().plan.held_out.empty() ? split_items(reference, pools, progress)
                                                              : split_held_out(reference, pools, progress);
  CalibrationTrial trial;
  trial.calibrated_on = parts.calibrated.calibration().ranked();
  for (const auto& result : score(parts.calibrated, parts.tried, options)) {
    trial.scores.push_back(static_cast<float>(result.score));
    trial.p_values.push_back(result.p_value);
  }
  std::ranges::sort(trial.p_values);
  return trial;
}

}  // namespace driftd::api
