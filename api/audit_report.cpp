#include "api/audit_report.hpp"

#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "api/audit_rows.hpp"
#include "api/utf8.hpp"
#include "api/version.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kPBins = 100;
constexpr std::size_t kMaxText = 4096;

std::string text(const std::string& hostile) {
  return clean_utf8(hostile, kMaxText);
}

json::object to_json(const drift::Rate& rate) {
  return {{"images", rate.images},
          {"flagged", rate.flagged},
          {"rate", rate.rate},
          {"lower", rate.bounds.lower},
          {"upper", rate.bounds.upper}};
}

json::object to_json(const drift::Quantiles& q) {
  return {{"min", q.min}, {"q05", q.q05}, {"q25", q.q25}, {"median", q.median},
          {"q75", q.q75}, {"q95", q.q95}, {"max", q.max}};
}

json::object to_json(const drift::AuditRow& row) {
  json::array neighbours;
  for (const auto& n : row.neighbours) {
    neighbours.push_back(
        json::object{{"id", text(n.id)}, {"label", text(n.label)}, {"uri", text(n.uri)}, {"distance", n.distance}});
  }
  return {{"path", text(row.path)}, {"label", text(row.label)}, {"score", row.score},      {"p_value", row.p_value},
          {"ood", row.ood},         {"distance", row.distance}, {"neighbours", neighbours}};
}

json::object score_json(const AuditReport& r) {
  const auto& reference = r.plan.reference;
  return {{"threshold", reference.score_threshold},
          {"reference", to_json(reference.score)},
          {"audited", to_json(r.numbers.score)},
          {"histogram",
           {{"low", reference.histogram_low},
            {"high", reference.histogram_high},
            {"reference", json::value_from(reference.histogram)},
            {"audited", json::value_from(r.score_histogram)}}}};
}

json::object distance_json(const AuditReport& r) {
  return {{"k", r.plan.k},
          {"threshold", r.plan.reference.distance_threshold},
          {"reference", to_json(r.plan.reference.distance)},
          {"audited", to_json(r.numbers.distance)},
          {"in_distribution", to_json(r.numbers.distance_in)},
          {"out_of_distribution", to_json(r.numbers.distance_out)}};
}

// list: each element through `row`.
template <class List, class Row>
json::array array_of(const List& list, const Row& row) {
  json::array array;
  for (const auto& element : list) array.push_back(row(element));
  return array;
}

json::object top_level(const AuditReport& r) {
  const auto& plan = r.plan;
  const auto& n = r.numbers;
  auto ood = to_json(n.ood);
  ood["confidence"] = drift::ReportOptions{}.confidence;
  return {
      {"format", kAuditFormat},
      {"driftd", kVersion},
      {"verdict",
       {{"drift", r.verdict.drift},
        {"sound", r.verdict.sound},
        {"fail_on", r.verdict.condition},
        {"text", r.verdict.text}}},
      {"options",
       {{"rule", plan.rule},
        {"k", plan.k},
        {"alpha", plan.alpha},
        {"per_label", plan.per_label},
        {"shard", plan.shard},
        {"shards", plan.shards}}},
      {"reference", {{"id", plan.reference.id}, {"sha256", plan.reference.sha256}, {"items", plan.reference.items}}},
      {"model", plan.reference.model},
      {"source", {{"root", plan.source.root}, {"images", plan.source.images}, {"sha256", plan.source.sha256}}},
      {"images", n.images},
      {"statuses", json::value_from(r.statuses)},
      {"failures", array_of(n.failures,
                            [](const auto& f) {
                              return json::object{
                                  {"status", text(f.status)}, {"reason", text(f.reason)}, {"images", f.images}};
                            })},
      {"ood", std::move(ood)},
      {"score", score_json(r)},
      {"distance", distance_json(r)},
      {"p_values", {{"ks", n.p_ks}, {"histogram", json::value_from(n.p_histogram)}}},
      {"labels", array_of(n.labels,
                          [](const auto& row) {
                            return json::object{{"label", text(row.label)},
                                                {"ood", to_json(row.ood)},
                                                {"median_distance", row.median_distance}};
                          })},
      {"order",
       array_of(n.order,
                [](const auto& bin) { return json::object{{"first", bin.first}, {"ood", to_json(bin.ood)}}; })},
      {"worst", array_of(n.worst, [](const auto& row) { return to_json(row); })},
      {"run",
       {{"started", r.times.started},
        {"finished", r.times.finished},
        {"seconds", r.times.seconds},
        {"images", r.times.images},
        {"images_per_second", r.times.seconds > 0 ? static_cast<double>(r.times.images) / r.times.seconds : 0}}},
  };
}

std::string number(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

}  // namespace

AuditReport make_report(const AuditPlan& plan, const std::filesystem::path& images_csv, std::size_t evidence,
                        const Condition& fail_on) {
  AuditReport report;
  report.plan = plan;
  report.statuses["ok"] = 0;
  drift::Audit audit{evidence};
  std::uint64_t rows = 0;
  read_audit_rows(images_csv, [&](AuditImage&& image) {
    ++rows;
    ++report.statuses[report.statuses.size() < 64 || report.statuses.contains(image.row.status) ? image.row.status
                                                                                                : "(other)"];
    audit.add(std::move(image.row));
    return true;
  });
  const auto range = shard_range(plan);
  if (rows != range.last - range.first) {
    throw Error{Errc::corrupt, images_csv.string() + " has " + std::to_string(rows) + " rows of " +
                                   std::to_string(range.last - range.first) + ": continue that run with --resume"};
  }
  report.numbers = audit.report({.p_bins = kPBins});
  const auto& reference = plan.reference;
  report.score_histogram = audit.score_histogram(reference.histogram_low, reference.histogram_high, kScoreBins);
  report.verdict = decide(fail_on, report.numbers);
  return report;
}

std::string to_json(const AuditReport& report) {
  std::string lines;
  for (const auto& [key, value] : top_level(report)) {
    lines += (lines.empty() ? "{\n  " : ",\n  ") + json::serialize(key) + ": " + json::serialize(value);
  }
  return lines + "\n}\n";
}

std::string to_prometheus(const AuditReport& report, std::int64_t now_s) {
  const auto& ood = report.numbers.ood;
  std::string out;
  const auto family = [&](const std::string& name, const std::string& help) {
    out += "# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n";
  };
  family("driftd_audit_last_success_timestamp_seconds", "When the last audit finished.");
  out += "driftd_audit_last_success_timestamp_seconds " + std::to_string(now_s) + "\n";
  family("driftd_audit_ood_ratio", "Share of the scored images out of distribution, with its 95% bounds.");
  for (const auto& [bound, value] :
       {std::pair{"lower", ood.bounds.lower}, {"mean", ood.rate}, {"upper", ood.bounds.upper}}) {
    out += "driftd_audit_ood_ratio{bound=\"" + std::string{bound} + "\"} " + number(value) + "\n";
  }
  family("driftd_audit_drift", "1 when the audit's limit was passed.");
  out += "driftd_audit_drift " + std::to_string(report.verdict.drift ? 1 : 0) + "\n";
  family("driftd_audit_images", "Images of the last audit by outcome.");
  for (const auto& [status, images] : report.statuses) {
    out += "driftd_audit_images{status=\"" + status + "\"} " + std::to_string(images) + "\n";
  }
  return out;
}

}  // namespace driftd::api
