// driftd index build: images, or vectors, as a calibrated reference.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "api/bulk_embed.hpp"
#include "api/commands/command.hpp"
#include "api/csv.hpp"
#include "api/held_out_split.hpp"
#include "api/image_source.hpp"
#include "api/index_tuning.hpp"
#include "api/item_list.hpp"
#include "api/npy.hpp"
#include "api/progress.hpp"
#include "api/reference.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "drift/coverage.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model;
  std::string images;
  std::string vectors;
  std::string items;
  std::string out;
  std::string name = "default";
  std::int64_t version = 1;
  std::string kind = "auto";
  index::Metric metric = index::Metric::l2;
  TuningOptions tuning;
  bool new_version = false;
  bool activate = false;
  bool same_label = false;
  double held_out = 0;
  std::string calibrate_on;
  std::string groups;
  std::string note;
  bool quiet = false;
};

// Images that did not become items, as skipped.csv and, the first ones, for the person at the terminal.
class Skipped {
 public:
  void add(const Embedded& image) {
    csv_ += csv_row({image.source->uri, image.reason});
    if (++count_ <= kShown) std::cerr << "skipped " << image.source->uri << ": " << image.reason << '\n';
    if (count_ == kShown + 1) std::cerr << "more are skipped; all are listed in skipped.csv\n";
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::vector<std::uint8_t> csv() const { return {csv_.begin(), csv_.end()}; }

 private:
  static constexpr std::size_t kShown = 10;
  std::size_t count_ = 0;
  std::string csv_ = csv_row({"path", "reason"});
};

void warn_of_codes(const index::SearchFigures& search, const TuningOptions& limits) {
  if (search.recall >= limits.min_recall && search.score_error <= limits.max_score_error) return;
  std::cerr << "warning: recall@3 " << search.recall << " (wanted " << limits.min_recall
            << " or more), mean score error " << search.score_error << " (wanted " << limits.max_score_error
            << " or less): this is what 8-bit codes cost on these vectors. Decisions stay calibrated; --kind flat or "
               "ivf keeps the vectors as they are\n";
}

void say_query_time(double query_ms, double wanted, const index::Segment& items) {
  if (wanted == 0) return;
  const auto kind = index::name_of(items.index().kind());
  std::cerr << std::setprecision(3) << kind << ": a query alone takes " << query_ms << " ms here, " << wanted
            << " wanted\n";
  if (query_ms <= wanted) return;
  std::cerr << "warning: neither flat nor ivf keeps to --max-query-ms; fp16 and sq8 read less (their score error is "
               "measured and shown), more cores read faster, a bundle of fewer pools makes shorter vectors\n";
}

// What a reference is made of: items in the index, and images beside it to calibrate on.
struct Material {
  Material(std::size_t dimension, index::Metric metric) : items{dimension, metric} {}

  void add(index::Item item, std::span<const float> vector, bool hold_out) {
    if (!hold_out) return items.add({std::move(item)}, {1, vector.size(), vector.data()});
    auto& matrix = plan.held_out.vectors;
    matrix.cols = vector.size();
    matrix.data.insert(matrix.data.end(), vector.begin(), vector.end());
    ++matrix.rows;
    held_out.push_back(std::move(item));
  }

  index::Segment items;
  std::vector<index::Item> held_out;
  CalibrationPlan plan;
  Skipped skipped;
  ProfileBuilder properties;
};

// Which of them to hold out; none where that was not asked for.
std::vector<bool> split(const std::vector<index::Item>& items, const Options& options, const Grouping& grouping) {
  if (options.held_out == 0) return std::vector<bool>(items.size());
  return choose_held_out(items.size(), options.held_out,
                         grouping.empty() ? std::vector<std::uint32_t>{} : group_numbers(grouping, items));
}

void embed_images(const std::vector<ImageSource>& sources, const std::vector<bool>& held, const Options& options,
                  const embed::Bundle& bundle, Material& material) {
  const auto embedder = embed::load_embedder(bundle);
  Progress progress{"embedding", sources.size(), options.quiet};
  std::size_t done = 0;
  embed_all(sources, bundle, *embedder, [&](Embedded&& image) {
    progress.update(++done);
    if (image.vector.empty()) return material.skipped.add(image);
    material.properties.add(image.properties);
    const auto id = std::to_string(material.items.size());
    material.add({id, image.source->label, image.source->uri, {}}, image.vector,
                 held[static_cast<std::size_t>(image.source - sources.data())]);
  });
}

void take_images(const Options& options, const embed::Bundle& bundle, Material& material) {
  const auto sources = list_images(options.images);
  std::vector<index::Item> items;
  for (const auto& source : sources) items.push_back({source.uri, source.label, source.uri, {}});
  embed_images(sources, split(items, options, material.plan.grouping), options, bundle, material);
}

void take_vectors(const Options& options, Material& material) {
  const auto vectors = read_npy(options.vectors);
  auto items = items_for(options.items, vectors.rows, fs::path{options.vectors}.stem().string());
  if (options.held_out == 0) return material.items.add(items, vectors);
  const auto held = split(items, options, material.plan.grouping);
  for (std::size_t row = 0; row < vectors.rows; ++row) material.add(std::move(items[row]), vectors.row(row), held[row]);
}

// Groups were given for the sake of images; a file of other paths would silently do nothing.
void number_groups(Material& material) {
  const auto& grouping = material.plan.grouping;
  if (grouping.empty()) return;
  std::size_t found = 0;
  (void)group_numbers(grouping, material.items.items(), &found);
  if (found < material.items.size()) {
    std::cerr << "warning: " << material.items.size() - found << " of " << material.items.size()
              << " items are in no line of --groups; each counts as a group of its own\n";
  }
  if (found == 0)
    throw Error{Errc::invalid_argument,
                "no item is in --groups: its first column must hold paths as `driftd index build` sees them, or ids"};
  if (!material.held_out.empty()) material.plan.held_out.groups = group_numbers(grouping, material.held_out);
}

Material gather(const Options& options, const embed::Bundle& bundle) {
  Material material{bundle.dimension, options.metric};
  if (!options.groups.empty()) material.plan.grouping = read_grouping(options.groups);
  if (options.vectors.empty()) {
    take_images(options, bundle, material);
  } else {
    take_vectors(options, material);
  }
  if (!options.calibrate_on.empty()) {
    const auto sources = list_images(options.calibrate_on);
    embed_images(sources, std::vector<bool>(sources.size(), true), options, bundle, material);
  }
  number_groups(material);
  return material;
}

Tuned tune(Material& material, const Options& options, std::size_t pools) {
  Progress progress{"calibrating", material.items.size(), options.quiet};
  auto tuning = options.tuning;
  tuning.pools = pools;
  tuning.plan = material.plan;
  tuning.progress = [&](std::size_t done) { progress.update(done); };
  return tune_index(material.items, options.kind, tuning);
}

void check(const Options& options) {
  if (options.images.empty() == options.vectors.empty())
    throw Error{Errc::invalid_argument, "give either --images or --vectors"};
  if (options.held_out != 0 && !options.calibrate_on.empty())
    throw Error{Errc::invalid_argument, "give either --held-out or --calibrate-on"};
  if (options.same_label && (options.held_out != 0 || !options.calibrate_on.empty())) {
    throw Error{
        Errc::invalid_argument,
        "--same-label calibrates by leaving one image out; it cannot be combined with --held-out or --calibrate-on"};
  }
  if (options.activate && !options.new_version)
    throw Error{Errc::invalid_argument, "--activate is for --new-version; the first version is live anyway"};
  if (options.new_version || !fs::exists(options.out)) return;
  throw Error{
      Errc::conflict,
      options.out + " exists already; choose another --out, remove it, or add a version to it with --new-version"};
}

// A rate that is further than this from alpha 0.05 is not what a user has in mind.
void warn_of_few(const drift::Calibration& c) {
  constexpr double kAlpha = 0.05;
  constexpr double kMargin = 0.01;
  const auto needed = drift::images_within(kAlpha, kMargin);
  if (c.method != drift::Method::held_out || c.effective >= static_cast<double>(needed)) return;
  const auto interval = drift::coverage_of(c, kAlpha).interval;
  std::cerr << std::setprecision(3) << "warning: " << c.ranked()
            << " held-out images leave the rate of false alarms at alpha " << kAlpha << " between " << interval.lower
            << " and " << interval.upper << "; hold out " << needed << " to have it within " << kMargin
            << ", or leave --held-out away to calibrate by all images\n";
}

int build(const Options& options) {
  check(options);
  const auto bundle = embed::read_bundle(options.model);
  auto material = gather(options, bundle);
  auto& [items, held_out, plan, skipped, properties] = material;
  auto [calibration, search, query_ms] = tune(material, options, bundle.pools.size());
  warn_of_codes(search, options.tuning);
  say_query_time(query_ms, options.tuning.max_query_ms, items);
  auto normal = normal_of(items, std::move(calibration), options.same_label, bundle.pools.size(), {}, std::move(plan));
  normal.image_root = image_root(options.images).string();
  normal.watch(std::move(normal.components), properties.finish());
  auto files = attachments(normal);
  files["skipped.csv"] = skipped.csv();
  index::Manifest manifest{.name = options.name,
                           .version = options.version,
                           .created = rfc3339(now_ms()),
                           .model_name = bundle.name,
                           .model_hash = bundle.hash,
                           .model_directory = fs::absolute(options.model).lexically_normal().string(),
                           .search = search,
                           .skipped = skipped.count()};
  if (options.new_version) {
    manifest.version =
        index::Collection::add_version(options.out, items, manifest, files, options.note, options.activate);
  } else {
    index::Collection::create(options.out, items, manifest, files, options.note);
  }
  std::cout << "reference " << manifest.id() << ": " << items.size() << " images x " << bundle.dimension << ", "
            << skipped.count() << " skipped, " << normal.all.duplicates << " duplicates left out of the calibration -> "
            << options.out << '\n';
  warn_of_few(normal.all);
  return 0;
}

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  for (const auto kind : index::kKinds) names.emplace_back(index::name_of(kind));
  names.emplace_back("auto");
  return names;
}

void add_input_options(CLI::App& command, Options& options) {
  command.add_option("--model", options.model, "Bundle made by `driftd model export`")->required();
  command.add_option("--images", options.images,
                     "Folder (root/label/image or flat), list of paths, or - for a list on standard input");
  command.add_option("--vectors", options.vectors,
                     "Embeddings of this model, in place of images: a .npy matrix with a row for each");
  command.add_option("--items", options.items,
                     R"(With --vectors: a line for each row, {"id", "label", "uri", "metadata"} or only a label)");
  command.add_option("--out", options.out, "Directory to create; with --new-version the reference to add to")
      ->required();
  command.add_option("--name", options.name, "The reference's name")->capture_default_str();
  command.add_option("--ref-version", options.version, "Its version: default@1, default@2 ...")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

void add_search_options(CLI::App& command, Options& options) {
  command
      .add_option(
          "--kind", options.kind,
          "How to search: flat (exact; time grows with the images), ivf (reads the nearest cells only),\n"
          "fp16 (half-precision: half of the memory), sq8 (8-bit codes: a quarter of the\n"
          "memory), ivfsq8 (cells of codes),\n"
          "auto (flat up to 51.2 million values, 100,000 images x 512, with AVX-512 VNNI four times as many; ivf\n"
          "beyond; or by --max-query-ms)")
      ->capture_default_str()
      ->check(CLI::IsMember(kind_names()));
  command
      .add_option_function<std::string>(
          "--metric", [&options](const std::string& metric) { options.metric = index::metric_of(metric); },
          "l2, or cosine: scales vectors and queries to unit length (this bundle's embeddings have one length anyway)")
      ->default_str("l2")
      ->check(CLI::IsMember({"l2", "cosine"}));
  command
      .add_option_function<std::string>(
          "--device", [&options](const std::string& device) { options.tuning.device = index::device_of(device); },
          "Where kinds without cells are calibrated: cpu, cuda:N or all (a build with GPU support)")
      ->default_str("cpu");
  command
      .add_option("--min-recall", options.tuning.min_recall,
                  "Cells are added until this share of the 3 nearest images is found")
      ->capture_default_str();
  command
      .add_option("--max-score-error", options.tuning.max_score_error,
                  "... and until scores differ by no more than this on average")
      ->capture_default_str();
  command
      .add_option("--max-query-ms", options.tuning.max_query_ms,
                  "With --kind auto: flat if a single query keeps to this on this machine, measured; else ivf")
      ->check(CLI::PositiveNumber);
}

void add_calibration_options(CLI::App& command, Options& options) {
  command.add_flag("--same-label", options.same_label,
                   "Calibrate among items of the same label, too, for scores with scoring.among = same_label");
  command.add_option(
      "--held-out", options.held_out,
      "Keep this share of the images (or of the --groups) out of the index, at random, and rank against them");
  command.add_option("--calibrate-on", options.calibrate_on,
                     "Folder or list of images of the same source to rank against, beside the index");
  command.add_option(
      "--groups", options.groups,
      "CSV of path,group, or the word label: what belongs together is left out together when calibrating");
}

}  // namespace

void add_index_build_command(CLI::App& group, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  auto* command = group.add_subcommand("build", "Embed a folder of training images into a calibrated reference");
  add_input_options(*command, *options);
  add_search_options(*command, *options);
  add_calibration_options(*command, *options);
  command->add_flag("--new-version", options->new_version,
                    "Add a version to the reference that --out is, beside the live one");
  command->add_flag("--activate", options->activate, "With --new-version: make it live");
  command->add_option("--note", options->note, "What this version is for");
  command->add_flag("--quiet", options->quiet, "No progress");
  command->callback([options, &chosen] { chosen = [options] { return build(*options); }; });
}

}  // namespace driftd::api
