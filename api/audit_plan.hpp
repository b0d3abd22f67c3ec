// What an audit was asked to do, fixed before its first image: audit.json in the audit's directory.
//
// The report is a function of this plan and of images.csv alone, and that is why a run that was cut off and continued,
// or cut into shards and merged, ends with the same numbers as one undisturbed run. Thread-safe: values and pure
// functions, but for summarise(), which reads the reference.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "api/image_source.hpp"
#include "api/reference.hpp"
#include "drift/report.hpp"

namespace driftd::api {

inline constexpr std::int64_t kAuditFormat = 1;  // of audit.json, images.csv and report.json
inline constexpr std::size_t kScoreBins = 60;

// What a report says of the reference, so that shards can be merged where the reference is not.
struct ReferenceSummary {
  std::string id;
  std::string sha256;  // of its SHA256SUMS, which names the hash of all its files
  std::string model;
  std::uint64_t items = 0;
  drift::Quantiles score;  // leave-one-out
  drift::Quantiles distance;
  double score_threshold = 0;     // the smallest score that is out of distribution
  double distance_threshold = 0;  // a distance that alpha of the reference's images exceed
  double histogram_low = 0;       // of the scores, reference and audited alike
  double histogram_high = 0;
  std::vector<std::uint64_t> histogram;  // kScoreBins; the last counts everything above, too
};

// The list of all images, of which a shard audits a part.
struct SourceSummary {
  std::string root;  // where the paths in images.csv start; empty: the working directory
  std::uint64_t images = 0;
  std::string sha256;  // of all paths and labels in order
};

struct AuditPlan {
  std::string rule = "blend";
  std::size_t k = drift::kDefaultK;
  double alpha = 0.05;
  bool per_label = false;  // p-values rank within the label that an image's neighbours vote for
  ReferenceSummary reference;
  SourceSummary source;
  std::uint64_t shard = 1;  // from 1
  std::uint64_t shards = 1;
  std::string started;  // RFC 3339; no part of what is compared
};

[[nodiscard]] ReferenceSummary summarise(const Reference& reference, const std::filesystem::path& directory,
                                         const std::string& model, const ScoreOptions& options);
[[nodiscard]] SourceSummary summarise(const std::vector<ImageSource>& sources, const std::string& where);

[[nodiscard]] boost::json::object to_json(const AuditPlan& plan);
// Throws Error: corrupt when text is no such plan, invalid_argument for a newer format. `what` names it in the message.
[[nodiscard]] AuditPlan parse_plan(std::string_view text, const std::string& what);

// Why two plans cannot be parts of one audit, as the end of a sentence ("have another alpha: 0.05 and 0.01"); empty
// when they can. Shards and times are not compared.
[[nodiscard]] std::string difference(const AuditPlan& a, const AuditPlan& b);

// The images of a shard, [first, last) in the list. Cut at whole blocks of kEmbedChunk, so that every image is embedded
// in the same batch as in one run: a batch of another size may round differently.
struct ShardRange {
  std::size_t first = 0;
  std::size_t last = 0;
};
[[nodiscard]] ShardRange shard_range(const AuditPlan& plan);

}  // namespace driftd::api
