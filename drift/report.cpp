#include "drift/report.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kMaxWorst = 1000;
constexpr std::size_t kMaxLabels = 65'536;
constexpr std::size_t kMaxReasons = 1024;
constexpr std::size_t kMaxBins = 100'000;
constexpr const char* kOther = "(other)";

bool worse(const AuditRow& a, const AuditRow& b) {
  return std::tie(a.p_value, b.score, a.path) < std::tie(b.p_value, a.score, b.path);
}

void check_row(const AuditRow& row) {
  if (std::isfinite(row.score) && std::isfinite(row.distance) && row.p_value > 0 && row.p_value <= 1) return;
  throw Error{Errc::invalid_argument,
              "audit: " + row.path + " needs a finite score and distance, and a p-value in (0, 1]"};
}

void check_bins(std::size_t bins, const char* name) {
  if (bins < 1 || bins > kMaxBins) {
    throw Error{Errc::invalid_argument, std::string{"audit: "} + name + " must be 1 to " + std::to_string(kMaxBins)};
  }
}

Rate rate_of(std::uint64_t flagged, std::uint64_t images, double z) {
  return {images, flagged, images == 0 ? 0 : static_cast<double>(flagged) / static_cast<double>(images),
          wilson_z(flagged, images, z)};
}

// Values on a border belong to the bin below it, so that (0, 1] is covered by bins closed above. The values are floats:
// a border is met up to their rounding.
std::size_t bin_of(double value, double low, double high, std::size_t bins) {
  if (!(high > low)) return 0;
  const auto place = std::ceil((value - low) / (high - low) * static_cast<double>(bins) - 1e-5) - 1;
  return static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(bins - 1)));
}

double ks_from_uniform(std::span<const float> ascending) {
  double distance = 0;
  const auto n = static_cast<double>(ascending.size());
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    const double below = static_cast<double>(i) / n;
    const double above = static_cast<double>(i + 1) / n;
    distance = std::max({distance, ascending[i] - below, above - ascending[i]});
  }
  return distance;
}

}  // namespace

Quantiles quantiles_of(std::span<const float> ascending) {
  if (ascending.empty()) return {};
  const auto at = [&](double q) { return quantile(ascending, q); };
  return {at(0), at(0.05), at(0.25), at(0.5), at(0.75), at(0.95), at(1)};
}

std::vector<std::uint64_t> histogram_of(std::span<const float> values, double low, double high, std::size_t bins) {
  check_bins(bins, "bins");
  std::vector<std::uint64_t> counts(bins, 0);
  for (const float value : values) ++counts[bin_of(value, low, high, bins)];
  return counts;
}

Audit::Audit(std::size_t worst) : worst_count_{worst} {
  if (worst > kMaxWorst) {
    throw Error{Errc::invalid_argument, "audit: at most " + std::to_string(kMaxWorst) + " worst images can be kept"};
  }
}

std::uint32_t Audit::label_index(const std::string& label) {
  if (const auto found = label_indices_.find(label); found != label_indices_.end()) return found->second;
  const auto& name = labels_.size() < kMaxLabels ? label : kOther;
  const auto [entry, added] = label_indices_.emplace(name, static_cast<std::uint32_t>(labels_.size()));
  if (added) labels_.push_back(name);
  return entry->second;
}

void Audit::count_failure(const std::string& status, const std::string& reason, std::uint64_t images) {
  failed_ += images;
  const bool room = failures_.size() < kMaxReasons || failures_.contains({status, reason});
  failures_[{room ? status : kOther, room ? reason : kOther}] += images;
}

void Audit::keep_if_worst(AuditRow row) {
  if (worst_count_ == 0) return;
  if (worst_.size() == worst_count_) {
    if (!worse(row, worst_.front())) return;
    std::ranges::pop_heap(worst_, worse);
    worst_.pop_back();
  }
  worst_.push_back(std::move(row));
  std::ranges::push_heap(worst_, worse);
}

void Audit::add(AuditRow row) {
  if (row.status != "ok") return count_failure(row.status, row.reason, 1);
  check_row(row);
  kept_.push_back({static_cast<float>(row.score), static_cast<float>(row.p_value), static_cast<float>(row.distance),
                   label_index(row.label) << 1 | (row.ood ? 1U : 0U)});
  keep_if_worst(std::move(row));
}

void Audit::merge(const Audit& later) {
  std::vector<std::uint32_t> indices;
  for (const auto& label : later.labels_) indices.push_back(label_index(label));
  for (auto kept : later.kept_) {
    kept.label_and_ood = indices[kept.label_and_ood >> 1] << 1 | (kept.label_and_ood & 1);
    kept_.push_back(kept);
  }
  for (const auto& [failure, images] : later.failures_) count_failure(failure.first, failure.second, images);
  for (const auto& row : later.worst_) keep_if_worst(row);
}

Report Audit::report(const ReportOptions& options) const {
  check_bins(options.order_bins, "order_bins");
  check_bins(options.p_bins, "p_bins");
  check_bins(options.distance_bins, "distance_bins");
  if (!(options.confidence > 0 && options.confidence < 1)) {
    throw Error{Errc::invalid_argument, "audit: confidence must lie between 0 and 1, both excluded"};
  }
  const double z = normal_quantile((1 + options.confidence) / 2);
  Report report;
  report.images = kept_.size() + failed_;
  for (const auto& [failure, images] : failures_) report.failures.push_back({failure.first, failure.second, images});
  report.ood = rate_in(0, kept_.size(), z);
  report.score = quantiles_of(sorted(&Kept::score));
  report.labels = label_rows(z);
  fill_p_values(report, options.p_bins);
  fill_distances(report, options.distance_bins);
  const auto bins = std::min(options.order_bins, kept_.size());
  for (std::size_t bin = 0; bin < bins; ++bin) {
    const auto first = kept_.size() * bin / bins;
    report.order.push_back({first, rate_in(first, kept_.size() * (bin + 1) / bins, z)});
  }
  report.worst = worst_;
  std::ranges::sort(report.worst, worse);
  return report;
}

std::vector<float> Audit::sorted(float Kept::* member) const {
  std::vector<float> values;
  values.reserve(kept_.size());
  for (const auto& kept : kept_) values.push_back(kept.*member);
  std::ranges::sort(values);
  return values;
}

Rate Audit::rate_in(std::size_t first, std::size_t last, double z) const {
  const auto part = std::span{kept_}.subspan(first, last - first);
  const auto flagged = std::ranges::count_if(part, [](const Kept& kept) { return (kept.label_and_ood & 1) != 0; });
  return rate_of(static_cast<std::uint64_t>(flagged), part.size(), z);
}

void Audit::fill_p_values(Report& report, std::size_t bins) const {
  const auto values = sorted(&Kept::p_value);
  report.p_histogram = histogram_of(values, 0, 1, bins);
  report.p_ks = ks_from_uniform(values);
}

void Audit::fill_distances(Report& report, std::size_t bins) const {
  const auto values = sorted(&Kept::distance);
  report.distance = quantiles_of(values);
  report.distance_bins = histogram_of(values, report.distance.min, report.distance.max, bins);
  report.distance_in = distances_where(false);
  report.distance_out = distances_where(true);
}

Quantiles Audit::distances_where(bool ood) const {
  std::vector<float> values;
  for (const auto& kept : kept_) {
    if (((kept.label_and_ood & 1) != 0) == ood) values.push_back(kept.distance);
  }
  std::ranges::sort(values);
  return quantiles_of(values);
}

std::vector<std::uint64_t> Audit::score_histogram(double low, double high, std::size_t bins) const {
  std::vector<float> scores;
  scores.reserve(kept_.size());
  for (const auto& kept : kept_) scores.push_back(kept.score);
  return histogram_of(scores, low, high, bins);
}

std::vector<LabelRow> Audit::label_rows(double z) const {
  std::vector<std::vector<float>> distances(labels_.size());
  std::vector<std::uint64_t> flagged(labels_.size(), 0);
  for (const auto& kept : kept_) {
    distances[kept.label_and_ood >> 1].push_back(kept.distance);
    flagged[kept.label_and_ood >> 1] += kept.label_and_ood & 1;
  }
  std::vector<LabelRow> rows;
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    std::ranges::sort(distances[i]);
    rows.push_back({labels_[i], rate_of(flagged[i], distances[i].size(), z), quantile(distances[i], 0.5)});
  }
  std::ranges::sort(rows, {}, &LabelRow::label);
  return rows;
}

}  // namespace driftd::drift
