#include "api/audit_plan.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <span>
#include <utility>

#include "api/bulk_embed.hpp"
#include "api/utf8.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "index/manifest.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uint64_t kMaxShards = 100'000;

// Numbers stand as strings: Boost.JSON reads some of them back one unit in the last place off, and shards must agree
// exactly.
std::string exact(double value) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

json::array to_json(const drift::Quantiles& q) {
  return {exact(q.min), exact(q.q05), exact(q.q25), exact(q.median), exact(q.q75), exact(q.q95), exact(q.max)};
}

// A field of an object that a driftd wrote; anything else in its place is damage.
template <class T>
T field(const json::object& object, std::string_view key, const std::string& what) {
  if (const auto* value = object.if_contains(key)) {
    if (const auto result = json::try_value_to<T>(*value)) return *result;
  }
  throw Error{Errc::corrupt,
              what + " lacks a sound \"" + std::string{key} + "\"; run the audit again into a fresh directory"};
}

double parse_exact(const std::string& text, const std::string& what) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    throw Error{Errc::corrupt, what + ": '" + clean_utf8(text, 32) + "' is not a number"};
  }
  return value;
}

double exact_field(const json::object& object, std::string_view key, const std::string& what) {
  return parse_exact(field<std::string>(object, key, what), what);
}

drift::Quantiles quantiles(const json::object& object, std::string_view key, const std::string& what) {
  std::vector<double> q;
  for (const auto& text : field<std::vector<std::string>>(object, key, what)) q.push_back(parse_exact(text, what));
  if (q.size() != 7) throw Error{Errc::corrupt, what + ": \"" + std::string{key} + "\" is not seven numbers"};
  return {q[0], q[1], q[2], q[3], q[4], q[5], q[6]};
}

ReferenceSummary parse_reference(const json::object& object, const std::string& what) {
  ReferenceSummary r;
  r.id = field<std::string>(object, "id", what);
  r.sha256 = field<std::string>(object, "sha256", what);
  r.model = field<std::string>(object, "model", what);
  r.items = field<std::uint64_t>(object, "items", what);
  r.score = quantiles(object, "score", what);
  r.distance = quantiles(object, "distance", what);
  r.score_threshold = exact_field(object, "score_threshold", what);
  r.distance_threshold = exact_field(object, "distance_threshold", what);
  r.histogram_low = exact_field(object, "histogram_low", what);
  r.histogram_high = exact_field(object, "histogram_high", what);
  r.histogram = field<std::vector<std::uint64_t>>(object, "histogram", what);
  if (r.histogram.size() != kScoreBins || !(r.histogram_high > r.histogram_low)) {
    throw Error{Errc::corrupt, what + ": the reference's histogram is damaged"};
  }
  return r;
}

json::object to_json(const ReferenceSummary& r) {
  return {{"id", r.id},
          {"sha256", r.sha256},
          {"model", r.model},
          {"items", r.items},
          {"score", to_json(r.score)},
          {"distance", to_json(r.distance)},
          {"score_threshold", exact(r.score_threshold)},
          {"distance_threshold", exact(r.distance_threshold)},
          {"histogram_low", exact(r.histogram_low)},
          {"histogram_high", exact(r.histogram_high)},
          {"histogram", json::value_from(r.histogram)}};
}

}  // namespace

ReferenceSummary summarise(const Reference& reference, const fs::path& directory, const std::string& model,
                           const ScoreOptions& options) {
  const auto& calibration = reference.calibration();
  const auto& distances = drift::leave_one_out(calibration, drift::Rule::knn, options.k);
  const auto& scores = drift::leave_one_out(calibration, options.rule, options.k);
  ReferenceSummary summary;
  summary.id = reference.id();
  summary.sha256 = index::live_digest(directory);
  summary.model = model;
  summary.items = reference.items->size();
  summary.score = drift::quantiles_of(scores);
  summary.distance = drift::quantiles_of(distances);
  summary.score_threshold = drift::threshold(options.alpha, calibration, options.rule, options.k);
  summary.distance_threshold = drift::threshold(options.alpha, calibration, drift::Rule::knn, options.k);
  // Room for strange images as wide as the reference's own range on either side of the limit, at least.
  summary.histogram_low = summary.score.min;
  const double room = std::max(summary.score_threshold - summary.score.min, 1e-6);
  summary.histogram_high = std::max(summary.score.max, summary.score_threshold + room);
  summary.histogram = drift::histogram_of(scores, summary.histogram_low, summary.histogram_high, kScoreBins);
  return summary;
}

SourceSummary summarise(const std::vector<ImageSource>& sources, const std::string& where) {
  std::string all;
  for (const auto& source : sources) {
    all += source.uri;
    all += '\0';
    all += source.label;
    all += '\0';
  }
  SourceSummary summary;
  if (where != "-") {
    const auto path = fs::absolute(where).lexically_normal();
    summary.root = clean_utf8((fs::is_directory(path) ? path : path.parent_path()).string(), 4096);
  }
  summary.images = sources.size();
  summary.sha256 = sha256(std::as_bytes(std::span{all.data(), all.size()}));
  return summary;
}

json::object to_json(const AuditPlan& plan) {
  return {{"format", kAuditFormat},
          {"rule", plan.rule},
          {"k", plan.k},
          {"alpha", exact(plan.alpha)},
          {"per_label", plan.per_label},
          {"reference", to_json(plan.reference)},
          {"source", {{"root", plan.source.root}, {"images", plan.source.images}, {"sha256", plan.source.sha256}}},
          {"shard", plan.shard},
          {"shards", plan.shards},
          {"started", plan.started}};
}

AuditPlan parse_plan(std::string_view text, const std::string& what) {
  boost::system::error_code error;
  const auto value = json::parse(text, error);
  if (error || !value.is_object())
    throw Error{Errc::corrupt, what + " is not a JSON object; run the audit again into a fresh directory"};
  const auto& object = value.as_object();
  const auto format = field<std::int64_t>(object, "format", what);
  if (format != kAuditFormat) {
    throw Error{Errc::invalid_argument, what + " has format " + std::to_string(format) + ", this driftd reads format " +
                                            std::to_string(kAuditFormat) + ": use the driftd that wrote it"};
  }
  AuditPlan plan;
  plan.rule = drift::name_of(drift::rule_of(field<std::string>(object, "rule", what)));
  plan.k = field<std::size_t>(object, "k", what);
  plan.alpha = exact_field(object, "alpha", what);
  plan.per_label = object.contains("per_label") && field<bool>(object, "per_label", what);  // older plans have none
  plan.reference = parse_reference(field<json::object>(object, "reference", what), what);
  const auto source = field<json::object>(object, "source", what);
  plan.source = {field<std::string>(source, "root", what), field<std::uint64_t>(source, "images", what),
                 field<std::string>(source, "sha256", what)};
  plan.shard = field<std::uint64_t>(object, "shard", what);
  plan.shards = field<std::uint64_t>(object, "shards", what);
  plan.started = field<std::string>(object, "started", what);
  if (plan.shard < 1 || plan.shard > plan.shards || plan.shards > kMaxShards || plan.k < 1 ||
      plan.k > drift::kNeighbours) {
    throw Error{Errc::corrupt, what + " has a shard or a k out of range"};
  }
  return plan;
}

std::string difference(const AuditPlan& a, const AuditPlan& b) {
  const auto differ = [](const std::string& name, const std::string& x, const std::string& y) {
    return x == y ? "" : "have another " + name + ": " + x + " and " + y;
  };
  for (auto text :
       {differ("model", a.reference.model, b.reference.model),
        differ("reference", a.reference.id + " " + a.reference.sha256, b.reference.id + " " + b.reference.sha256),
        differ("rule", a.rule, b.rule), differ("k", std::to_string(a.k), std::to_string(b.k)),
        differ("alpha", exact(a.alpha), exact(b.alpha)),
        differ("ranking", a.per_label ? "by label" : "among all", b.per_label ? "by label" : "among all"),
        differ("number of images", std::to_string(a.source.images), std::to_string(b.source.images)),
        differ("list of images", a.source.sha256, b.source.sha256)}) {
    if (!text.empty()) return text;
  }
  return "";
}

ShardRange shard_range(const AuditPlan& plan) {
  const auto blocks = (plan.source.images + kEmbedChunk - 1) / kEmbedChunk;
  const auto border = [&](std::uint64_t shard) {
    return std::min(blocks * shard / plan.shards * kEmbedChunk, plan.source.images);
  };
  return {border(plan.shard - 1), border(plan.shard)};
}

}  // namespace driftd::api
