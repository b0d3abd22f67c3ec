#include "api/audit.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <span>
#include <utility>

#include <boost/json.hpp>

#include "api/audit_rows.hpp"
#include "api/bulk_embed.hpp"
#include "api/image_source.hpp"
#include "api/progress.hpp"
#include "api/report_html.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "core/file.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kPlanFile = "audit.json";
constexpr const char* kImagesFile = "images.csv";
constexpr const char* kReportFile = "report.json";
constexpr std::uintmax_t kMaxPlanBytes = 1 << 20;

AuditPlan read_plan(const fs::path& directory) {
  const auto path = directory / kPlanFile;
  return parse_plan(read_text(path, kMaxPlanBytes), path.string());
}

void write_plan(const AuditPlan& plan, const fs::path& directory) {
  write_file_atomically(directory / kPlanFile, boost::json::serialize(to_json(plan)) + "\n");
}

void make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) throw Error{Errc::internal, "cannot create " + directory.string() + ": " + error.message()};
}

void refuse_used(const fs::path& directory, const std::string& advice) {
  if (!fs::exists(directory) || (fs::is_directory(directory) && fs::is_empty(directory))) return;
  throw Error{Errc::conflict, directory.string() + " is not empty: " + advice};
}

// The rows that an interrupted run left: whole blocks, so that the rest is embedded in the batches of an undisturbed
// run.
struct Durable {
  std::size_t images = 0;
  std::uintmax_t bytes = 0;
};

Durable find_durable(const fs::path& images_csv, std::span<const ImageSource> sources) {
  Durable durable;
  if (!fs::exists(images_csv)) return durable;
  std::size_t rows = 0;
  read_audit_rows(images_csv, [&](AuditImage&& image) {
    if (rows == sources.size() || image.row.path != sources[rows].uri) {
      throw Error{Errc::conflict, images_csv.string() + " is of other images, from row " + std::to_string(rows + 1) +
                                      " on: start again in a fresh directory"};
    }
    ++rows;
    return true;
  });
  durable.images = rows == sources.size() ? rows : rows / kEmbedChunk * kEmbedChunk;
  std::size_t left = durable.images;
  durable.bytes = rows == 0 ? 0 : read_audit_rows(images_csv, [&](AuditImage&&) { return left-- > 0; });
  return durable;
}

AuditImage to_row(const Embedded& image, const Score* score) {
  AuditImage result;
  result.row.path = image.source->uri;
  result.row.label = image.source->label;
  result.row.status = image.status;
  result.row.reason = image.reason;
  if (score == nullptr) return result;
  result.properties = image.properties;
  result.row.score = score->score;
  result.row.p_value = score->p_value;
  result.row.ood = score->ood;
  result.row.distance = score->distance;
  for (const auto& n : score->neighbours) result.row.neighbours.push_back({n.id, n.label, n.uri, n.distance});
  return result;
}

// Scores the images of one block together and appends their rows.
class BlockWriter {
 public:
  BlockWriter(const Reference& reference, const ScoreOptions& options, AuditFile& file)
      : reference_{reference}, options_{options}, file_{file} {}

  void add(Embedded&& image) {
    block_.push_back(std::move(image));
    if (block_.size() == kEmbedChunk) flush();
  }

  void flush() {
    if (block_.empty()) return;
    Matrix vectors{0, reference_.items->dimension()};
    for (const auto& image : block_) {
      if (image.vector.empty()) continue;
      vectors.data.insert(vectors.data.end(), image.vector.begin(), image.vector.end());
      ++vectors.rows;
    }
    const auto scores = vectors.rows == 0 ? std::vector<Score>{} : score(reference_, vectors, options_);
    std::string rows;
    std::size_t next = 0;
    for (const auto& image : block_)
      rows += audit_line(to_row(image, image.vector.empty() ? nullptr : &scores[next++]));
    file_.append(rows);
    block_.clear();
  }

 private:
  const Reference& reference_;
  const ScoreOptions options_;
  AuditFile& file_;
  std::vector<Embedded> block_;
};

// A fresh plan becomes the directory's; with resume, it must agree with the one found there, whose start it takes over.
void settle_plan(AuditPlan& plan, const AuditOptions& options) {
  const auto& out = options.output.out;
  if (!options.resume || !fs::exists(out / kPlanFile)) {
    refuse_used(out, "--resume continues an audit that was cut off; or choose another --out");
    make_directory(out);
    return write_plan(plan, out);
  }
  const auto found = read_plan(out);
  auto why = difference(found, plan);
  if (why.empty() && (found.shard != plan.shard || found.shards != plan.shards)) {
    why = "have another shard: " + std::to_string(found.shard) + "/" + std::to_string(found.shards) + " and " +
          std::to_string(plan.shard) + "/" + std::to_string(plan.shards);
  }
  if (!why.empty())
    throw Error{Errc::conflict, "the audit in " + out.string() + " and this one " + why + "; choose another --out"};
  plan.started = found.started;
}

// All files but images.csv, report.json last.
void write_results(const AuditReport& report, const AuditOutput& output) {
  write_file_atomically(output.out / "report.html", report_html(report, output.reference_images));
  if (!output.metrics_file.empty()) write_file_atomically(output.metrics_file, to_prometheus(report, now_ms() / 1000));
  write_file_atomically(output.out / kReportFile, to_json(report));
}

AuditReport conclude(const AuditPlan& plan, const AuditOutput& output, Clock::time_point start,
                     std::uint64_t embedded) {
  auto report = make_report(plan, output.out / kImagesFile, output.evidence, parse_condition(output.fail_on));
  report.times = {plan.started, rfc3339(now_ms()), std::chrono::duration<double>(Clock::now() - start).count(),
                  embedded};
  write_results(report, output);
  return report;
}

void embed_rest(std::span<const ImageSource> sources, const Durable& durable, const embed::Bundle& bundle,
                const Reference& reference, const AuditOptions& options) {
  AuditFile file{options.output.out / kImagesFile, durable.bytes};
  if (durable.bytes == 0) file.append(audit_header());
  if (durable.images == sources.size()) return;
  const auto embedder = embed::load_embedder(bundle);
  BlockWriter writer{reference, options.scoring, file};
  Progress progress{"auditing", sources.size() - durable.images, options.quiet};
  std::size_t done = 0;
  embed_all(sources.subspan(durable.images), bundle, *embedder, [&](Embedded&& image) {
    writer.add(std::move(image));
    progress.update(++done);
  });
  writer.flush();
}

// The parts in the order of their shards: all of one audit, none missing, none twice.
std::vector<std::pair<AuditPlan, fs::path>> read_parts(const std::vector<fs::path>& directories) {
  std::vector<std::pair<AuditPlan, fs::path>> parts;
  for (const auto& directory : directories) {
    parts.emplace_back(read_plan(directory), directory);
    if (!fs::exists(directory / kReportFile))
      throw Error{Errc::not_found, directory.string() + " is unfinished: run it again with --resume"};
    const auto why = difference(parts.front().first, parts.back().first);
    if (!why.empty())
      throw Error{Errc::conflict, directories.front().string() + " and " + directory.string() + " " + why};
    if (parts.back().first.shards != parts.front().first.shards) {
      throw Error{Errc::conflict, directory.string() + " is of " + std::to_string(parts.back().first.shards) +
                                      " shards, " + directories.front().string() + " of " +
                                      std::to_string(parts.front().first.shards)};
    }
  }
  std::ranges::stable_sort(parts, {}, [](const auto& part) { return part.first.shard; });
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].first.shard != parts[i - 1].first.shard) continue;
    throw Error{Errc::conflict, parts[i - 1].second.string() + " and " + parts[i].second.string() + " are both shard " +
                                    std::to_string(parts[i].first.shard) + ": name each once"};
  }
  for (std::size_t i = 0; i < parts.front().first.shards; ++i) {
    if (i < parts.size() && parts[i].first.shard == i + 1) continue;
    throw Error{Errc::conflict,
                "shard " + std::to_string(i + 1) + "/" + std::to_string(parts.front().first.shards) + " is missing"};
  }
  return parts;
}

// Copies a shard's rows; a report made of them is wrong when one is missing, so each is read and counted.
void append_rows(const AuditPlan& plan, const fs::path& directory, AuditFile& file) {
  std::size_t rows = 0;
  std::string block;
  read_audit_rows(directory / kImagesFile, [&](AuditImage&& image) {
    block += audit_line(image);
    if (++rows % 4096 == 0) file.append(std::exchange(block, {}));
    return true;
  });
  file.append(block);
  const auto range = shard_range(plan);
  if (rows == range.last - range.first) return;
  throw Error{Errc::corrupt, (directory / kImagesFile).string() + " has " + std::to_string(rows) + " rows of " +
                                 std::to_string(range.last - range.first) + ": run that shard again with --resume"};
}

}  // namespace

AuditReport run_audit(const AuditOptions& options) {
  const auto start = Clock::now();
  (void)parse_condition(options.output.fail_on);  // a typing error is told at once, not after hours
  const auto sources = list_images(options.images);
  const auto bundle = embed::read_bundle(model_directory(options.model, options.reference));
  const auto reference = load_reference(options.reference, bundle);

  AuditPlan plan;
  plan.rule = drift::name_of(options.scoring.rule);
  plan.k = options.scoring.k;
  plan.alpha = options.scoring.alpha;
  plan.per_label = options.scoring.per_label;
  plan.reference = summarise(reference, options.reference, bundle.id(), options.scoring);
  plan.source = summarise(sources, options.images);
  plan.shard = options.shard;
  plan.shards = options.shards;
  plan.started = rfc3339(now_ms());
  settle_plan(plan, options);

  const auto range = shard_range(plan);
  const auto mine = std::span{sources}.subspan(range.first, range.last - range.first);
  const auto durable = find_durable(options.output.out / kImagesFile, mine);
  embed_rest(mine, durable, bundle, reference, options);
  return conclude(plan, options.output, start, mine.size() - durable.images);
}

AuditReport merge_audits(const std::vector<fs::path>& directories, const AuditOutput& output) {
  const auto start = Clock::now();
  (void)parse_condition(output.fail_on);
  const auto parts = read_parts(directories);
  refuse_used(output.out, "choose another --out");
  make_directory(output.out);
  auto plan = parts.front().first;
  plan.shard = plan.shards = 1;
  for (const auto& [part, directory] : parts) plan.started = std::min(plan.started, part.started);
  write_plan(plan, output.out);
  {
    AuditFile file{output.out / kImagesFile, 0};
    file.append(audit_header());
    for (const auto& [part, directory] : parts) append_rows(part, directory, file);
  }
  return conclude(plan, output, start, 0);
}

}  // namespace driftd::api
