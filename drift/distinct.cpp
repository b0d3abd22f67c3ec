#include "drift/distinct.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kFirstK = 16;  // a row, ten neighbours and room for a few copies
constexpr std::size_t kLastK = 1024;

class Finder {
 public:
  Finder(const Among& among, const NeighbourSource& search, const CalibrationOptions& options)
      : among_{among},
        search_{search},
        options_{options},
        last_k_{std::min(kLastK + largest_group(), among.rows)},
        found_{among.images} {}

  Distinct all() {
    for (std::size_t first = 0; first < among_.images; first += options_.block) {
      std::vector<std::int64_t> images(std::min(options_.block, among_.images - first));
      std::iota(images.begin(), images.end(), static_cast<std::int64_t>(first));
      find(std::move(images));
      if (options_.progress) options_.progress(std::min(first + options_.block, among_.images));
    }
    return std::move(found_);
  }

 private:
  [[nodiscard]] std::size_t largest_group() const {
    std::unordered_map<std::uint32_t, std::size_t> sizes;
    std::size_t largest = 0;
    for (const auto group : options_.groups) largest = std::max(largest, ++sizes[group]);
    return among_.own ? largest : 0;
  }

  // Searches with growing k until each image has its distinct neighbours or the last k is reached.
  void find(std::vector<std::int64_t> images) {
    for (std::size_t k = std::min(kFirstK, among_.rows); !images.empty(); k = std::min(2 * k, last_k_)) {
      std::vector<std::int64_t> unfinished;
      const auto batch = std::max<std::size_t>(1, options_.block * kFirstK / k);  // answers as small as the first
      for (std::size_t first = 0; first < images.size(); first += batch) {
        const auto part = std::span{std::as_const(images)}.subspan(first, std::min(batch, images.size() - first));
        const auto answer = search_(part, k);
        check_shape(answer, part.size(), k);
        for (std::size_t i = 0; i < part.size(); ++i) {
          const auto image = static_cast<std::size_t>(part[i]);
          take(image, std::span{answer.distances}.subspan(i * k, k), std::span{answer.rows}.subspan(i * k, k));
          if (!found_.complete(image)) unfinished.push_back(part[i]);
        }
      }
      if (k >= last_k_) return;
      images = std::move(unfinished);
    }
  }

  static void check_shape(const Neighbours& answer, std::size_t queries, std::size_t k) {
    if (answer.k == k && answer.distances.size() == queries * k && answer.rows.size() == queries * k) return;
    throw Error{Errc::internal, "calibration: the search for " + std::to_string(queries) + " x " + std::to_string(k) +
                                    " neighbours returned another number of them"};
  }

  [[nodiscard]] bool same_group(std::size_t image, std::size_t other) const {
    return among_.own && !options_.groups.empty() && options_.groups[image] == options_.groups[other];
  }

  // An image's nearest distinct neighbours from the answer to its query.
  void take(std::size_t image, std::span<const float> distances, std::span<const std::int64_t> rows) {
    std::size_t count = 0;
    float last = 0;
    for (std::size_t i = 0; i < rows.size() && rows[i] >= 0 && count < Distinct::kKept; ++i) {
      const auto other = static_cast<std::size_t>(rows[i]);
      if (other >= among_.rows || !std::isfinite(distances[i]) || distances[i] < last) {
        throw Error{Errc::internal,
                    "calibration: the search returned an unknown row, or distances that are not numbers in "
                    "ascending order, for row " +
                        std::to_string(image) + "; verify the index"};
      }
      last = distances[i];
      if (among_.own && other == image) continue;
      const bool copy = distances[i] <= options_.duplicate_distance;
      if (copy) found_.has_copy[image] = true;
      if (copy || same_group(image, other)) continue;
      found_.distances[image * Distinct::kKept + count] = distances[i];
      found_.rows[image * Distinct::kKept + count] = rows[i];
      ++count;
    }
    found_.counts[image] = static_cast<std::uint8_t>(count);
  }

  const Among& among_;
  const NeighbourSource& search_;
  const CalibrationOptions& options_;
  const std::size_t last_k_;
  Distinct found_;
};

}  // namespace

Distinct find_distinct(const Among& among, const NeighbourSource& search, const CalibrationOptions& options) {
  return Finder{among, search, options}.all();
}

}  // namespace driftd::drift
