#include "api/vote_accuracy.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "drift/feedback.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kSample = 1000;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kSpare = 6;  // room for the image itself and a few copies

}  // namespace

VoteAccuracy vote_accuracy(const Reference& reference, std::size_t k, std::size_t pools) {
  const auto& items = *reference.items;
  const double copy = drift::default_duplicate_distance(pools);
  std::vector<std::size_t> rows;
  const auto step = std::max<std::size_t>(1, items.rows() / kSample);
  for (std::size_t row = 0; row < items.rows() && rows.size() < kSample; row += step) {
    if (items.alive(row) && !items.item(static_cast<std::int64_t>(row)).label.empty()) rows.push_back(row);
  }
  VoteAccuracy result;
  for (std::size_t begin = 0; begin < rows.size(); begin += kBatch) {
    const auto count = std::min(kBatch, rows.size() - begin);
    Matrix queries{count, items.dimension()};
    for (std::size_t i = 0; i < count; ++i) std::ranges::copy(items.vector(rows[begin + i]), queries.row(i).begin());
    const auto found = items.search(queries, k + kSpare);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::string> labels;
      for (std::size_t j = i * found.k; j < (i + 1) * found.k && labels.size() < k; ++j) {
        if (found.rows[j] >= 0 && found.distances[j] > copy) labels.emplace_back(items.item(found.rows[j]).label);
      }
      const auto vote = drift::majority_label(labels);
      if (vote.empty()) continue;
      ++result.images;
      result.right += vote == items.item(static_cast<std::int64_t>(rows[begin + i])).label ? 1 : 0;
    }
  }
  return result;
}

}  // namespace driftd::api
