#include "api/same_label.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "api/reference.hpp"

namespace driftd::api {
namespace {

using drift::kNeighbours;
using Rows = std::span<const std::int64_t>;

Matrix vectors_of(const index::Segment& items, Rows rows) {
  return items.index().vectors(rows);
}

// The label that the others vote for each row.
std::vector<std::string> voted_labels(const index::Segment& items) {
  constexpr std::size_t kBlock = 1024;
  std::vector<std::string> labels;
  for (std::size_t first = 0; first < items.size(); first += kBlock) {
    std::vector<std::int64_t> rows;
    for (auto row = first; row < std::min(items.size(), first + kBlock); ++row)
      rows.push_back(static_cast<std::int64_t>(row));
    const auto found = items.search(vectors_of(items, rows), kNeighbours + 1);
    for (std::size_t q = 0; q < rows.size(); ++q) {
      std::vector<std::string_view> nearest;
      for (auto j = q * found.k; j < (q + 1) * found.k && nearest.size() < kNeighbours; ++j) {
        if (found.rows[j] >= 0 && found.rows[j] != rows[q]) nearest.push_back(items.item(found.rows[j]).label);
      }
      labels.push_back(vote(nearest));
    }
  }
  return labels;
}

std::vector<std::string> own_labels(const index::Segment& items) {
  std::vector<std::string> labels;
  for (std::size_t row = 0; row < items.size(); ++row)
    labels.emplace_back(items.item(static_cast<std::int64_t>(row)).label);
  return labels;
}

}  // namespace

std::string vote(std::span<const std::string_view> nearest_first) {
  std::map<std::string_view, std::size_t> counts;
  for (const auto label : nearest_first) ++counts[label];
  std::string_view best;
  std::size_t most = 0;
  for (const auto label : nearest_first) {
    if (counts[label] > most) {
      best = label;
      most = counts[label];
    }
  }
  return std::string{best};
}

drift::Calibration calibrate_same_label(const index::Segment& items, LabelSource source,
                                        const drift::CalibrationOptions& options) {
  const auto labels = source == LabelSource::given ? own_labels(items) : voted_labels(items);
  std::map<std::string_view, std::vector<std::size_t>> rows_of;
  for (std::size_t row = 0; row < items.size(); ++row)
    rows_of[items.item(static_cast<std::int64_t>(row)).label].push_back(row);
  const auto search = [&](Rows rows, std::size_t k) {
    drift::Neighbours answer{k, std::vector<float>(rows.size() * k, std::numeric_limits<float>::infinity()),
                             std::vector<std::int64_t>(rows.size() * k, -1)};
    std::map<std::string_view, std::vector<std::size_t>> groups;  // label to places in rows
    for (std::size_t i = 0; i < rows.size(); ++i) groups[labels[static_cast<std::size_t>(rows[i])]].push_back(i);
    for (const auto& [label, places] : groups) {
      index::RowMask allowed{items.size()};
      for (const auto row : rows_of[label]) allowed.set(row);
      std::vector<std::int64_t> some;
      for (const auto place : places) some.push_back(rows[place]);
      const auto found = items.index().search(vectors_of(items, some), k, {.allowed = &allowed});
      for (std::size_t i = 0; i < places.size(); ++i) {
        std::copy_n(found.distances.begin() + static_cast<std::ptrdiff_t>(i * k), k,
                    answer.distances.begin() + static_cast<std::ptrdiff_t>(places[i] * k));
        std::copy_n(found.rows.begin() + static_cast<std::ptrdiff_t>(i * k), k,
                    answer.rows.begin() + static_cast<std::ptrdiff_t>(places[i] * k));
      }
    }
    return answer;
  };
  return drift::calibrate(items.size(), search, options);
}

}  // namespace driftd::api
