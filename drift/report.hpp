// The statistics of an audit: every image of a folder or a shard scored once, summed up, mergeable.
//
// Confined to one thread; Report is a plain value. Keeps 16 bytes per scored image, so quantiles are exact.
// merge() of the shards, in order, gives the very numbers of one run over all their images (while failures have fewer
// distinct reasons than are counted apart).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "drift/evidence.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {

// One image of the audit. status is "ok", or the kind of failure; then only path, status, reason and label mean
// anything.
struct AuditRow {
  std::string path;
  std::string status = "ok";
  std::string reason;
  std::string label;
  double score = 0;
  double p_value = 1;
  bool ood = false;
  double distance = 0;
  std::vector<NearImage> neighbours;  // kept for the worst images only
};

struct Quantiles {
  double min = 0, q05 = 0, q25 = 0, median = 0, q75 = 0, q95 = 0, max = 0;
};

// Of ascending values; all 0 for none.
[[nodiscard]] Quantiles quantiles_of(std::span<const float> ascending);

// Counts in equal bins of (low, high]; values outside are counted in the first and the last bin.
[[nodiscard]] std::vector<std::uint64_t> histogram_of(std::span<const float> values, double low, double high,
                                                      std::size_t bins);

struct Rate {
  std::uint64_t images = 0;
  std::uint64_t flagged = 0;
  double rate = 0;  // 0 for no images
  Interval bounds;  // Wilson
};

struct LabelRow {
  std::string label;
  Rate ood;
  double median_distance = 0;
};

struct OrderBin {
  std::uint64_t first = 0;  // ordinal of its first scored image, from 0
  Rate ood;
};

struct FailureCount {
  std::string status;
  std::string reason;
  std::uint64_t images = 0;
};

struct Report {
  std::uint64_t images = 0;            // all, scored or not
  std::vector<FailureCount> failures;  // by status, then reason
  Rate ood;
  Quantiles score;
  Quantiles distance;
  Quantiles distance_in;                     // of the images in distribution alone
  Quantiles distance_out;                    // of those out of distribution
  std::vector<LabelRow> labels;              // by name
  std::vector<std::uint64_t> p_histogram;    // equal bins of (0, 1]
  double p_ks = 0;                           // Kolmogorov-Smirnov distance of the p-values from uniform
  std::vector<std::uint64_t> distance_bins;  // equal bins between distance.min and distance.max
  std::vector<OrderBin> order;               // OOD rate over the order of the images, bins equal up to one image
  std::vector<AuditRow> worst;               // smallest p-value, then largest score, then path
};

struct ReportOptions {
  std::size_t order_bins = 50;
  std::size_t p_bins = 20;
  std::size_t distance_bins = 40;
  double confidence = 0.95;
};

class Audit {
 public:
  // `worst`: images kept with their neighbours, at most 1000 (Error invalid_argument).
  explicit Audit(std::size_t worst = 20);

  // O(1) amortised. Throws Error invalid_argument when a row with status "ok" has a number that is not finite, or a
  // p-value outside (0, 1]. Labels beyond the first 65536 and reasons beyond the first 1024 are counted together as
  // "(other)".
  void add(AuditRow row);
  // Appends the images of `later`, as if they had been added one by one.
  void merge(const Audit& later);
  // O(n log n). Throws Error invalid_argument when an option is outside 1..100000 bins.
  [[nodiscard]] Report report(const ReportOptions& options = {}) const;
  // The scores as histogram_of() counts them. O(n).
  [[nodiscard]] std::vector<std::uint64_t> score_histogram(double low, double high, std::size_t bins) const;

 private:
  struct Kept {
    float score;
    float p_value;
    float distance;
    std::uint32_t label_and_ood;  // label << 1 | ood
  };
  static_assert(sizeof(Kept) == 16);

  std::uint32_t label_index(const std::string& label);
  void count_failure(const std::string& status, const std::string& reason, std::uint64_t images);
  void keep_if_worst(AuditRow row);
  [[nodiscard]] std::vector<float> sorted(float Kept::* member) const;
  [[nodiscard]] Rate rate_in(std::size_t first, std::size_t last, double z) const;
  [[nodiscard]] Quantiles distances_where(bool ood) const;
  [[nodiscard]] std::vector<LabelRow> label_rows(double z) const;
  void fill_p_values(Report& report, std::size_t bins) const;
  void fill_distances(Report& report, std::size_t bins) const;

  std::size_t worst_count_;
  std::vector<Kept> kept_;
  std::vector<std::string> labels_;  // in order of appearance
  std::unordered_map<std::string, std::uint32_t> label_indices_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> failures_;
  std::uint64_t failed_ = 0;
  std::vector<AuditRow> worst_;  // a heap, the least bad in front
};

}  // namespace driftd::drift
