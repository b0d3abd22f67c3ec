#include "api/reference.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "api/index_tuning.hpp"
#include "api/same_label.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "index/metric.hpp"

namespace driftd::api {
namespace {

drift::Neighbours nearest_rows(const index::Segment& items, MatrixView queries, std::size_t k) {
  auto found = items.search(queries, k);
  return {found.k, std::move(found.distances), std::move(found.rows)};
}

}  // namespace

std::filesystem::path model_directory(const std::string& wanted, const std::filesystem::path& reference) {
  return wanted.empty() ? std::filesystem::path{index::read_live_manifest(reference).model_directory}
                        : std::filesystem::path{wanted};
}

namespace {

constexpr const char* kCalibrationFile = "calibration.bin";
constexpr const char* kGivenFile = "calibration.given.bin";
constexpr const char* kVotedFile = "calibration.voted.bin";
constexpr const char* kComponentsFile = "components.bin";
constexpr const char* kGroupsFile = "groups.csv";         // where groups were given
constexpr const char* kHeldOutFile = "held_out.bin";      // where images were held out
constexpr const char* kImageRootFile = "image_root.txt";  // where the images' folder is known
constexpr const char* kProfileFile = "properties.bin";    // of references that were built from images

drift::Calibration calibration_in(const index::Segment& items, const char* file) {
  auto calibration = drift::decode_calibration(std::as_bytes(std::span{items.attachment(file)}));
  const auto fitted = calibration.gaussian.mean.size();
  if (calibration.n != items.size() || (fitted != 0 && fitted != items.dimension())) {
    throw Error{Errc::corrupt, items.manifest().id() + ": " + file + " is of another set of vectors"};
  }
  return calibration;
}

// Empty for a reference that was built without.
drift::Components components_in(const index::Segment& items) {
  if (!items.has_attachment(kComponentsFile)) return {};
  auto components = drift::decode_components(std::as_bytes(std::span{items.attachment(kComponentsFile)}));
  if (components.dimension() != items.dimension()) {
    throw Error{Errc::corrupt, items.manifest().id() + ": " + kComponentsFile + " is of vectors of another dimension"};
  }
  return components;
}

CalibrationPlan plan_in(const index::Segment& items) {
  CalibrationPlan plan;
  if (items.has_attachment(kGroupsFile)) {
    const auto& bytes = items.attachment(kGroupsFile);
    plan.grouping = decode_grouping({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  if (items.has_attachment(kHeldOutFile)) {
    plan.held_out = drift::decode_held_out(std::as_bytes(std::span{items.attachment(kHeldOutFile)}));
    if (plan.held_out.vectors.cols != items.dimension()) {
      throw Error{Errc::corrupt, items.manifest().id() + ": " + kHeldOutFile + " has vectors of another length"};
    }
  }
  return plan;
}

}  // namespace

drift::Calibration calibration_of(const index::Segment& items) {
  return calibration_in(items, kCalibrationFile);
}

std::unique_ptr<index::Collection> open_reference(const std::filesystem::path& directory, const embed::Bundle& bundle,
                                                  bool writable, const index::Device& device,
                                                  index::Segment::Progress opening) {
  index::CollectionOptions options;
  options.opening = std::move(opening);
  options.writable = writable;
  options.device = device;
  options.now = [] { return rfc3339(now_ms()); };
  options.companion = [&bundle, directory](const index::Segment& items) -> std::shared_ptr<const void> {
    if (items.manifest().model_hash != bundle.hash) {
      throw Error{Errc::conflict,
                  directory.string() + " was built with the model " + items.manifest().model_name +
                      "@sha256:" + items.manifest().model_hash + ", not with " + bundle.id() +
                      "; distances between the vectors of two models mean nothing: build it again with this model"};
    }
    auto normal = std::make_shared<Normal>();
    normal->all = calibration_of(items);
    normal->plan = plan_in(items);
    if (items.has_attachment(kImageRootFile)) {
      const auto& bytes = items.attachment(kImageRootFile);
      normal->image_root.assign(bytes.begin(), bytes.end());
    }
    if (items.has_attachment(kGivenFile)) normal->given = calibration_in(items, kGivenFile);
    if (items.has_attachment(kVotedFile)) normal->voted = calibration_in(items, kVotedFile);
    normal->watch(components_in(items),
                  items.has_attachment(kProfileFile)
                      ? drift::decode_profile(std::as_bytes(std::span{items.attachment(kProfileFile)}))
                      : drift::Profile{});
    return normal;
  };
  return index::Collection::open(directory, std::move(options));
}

Reference load_reference(const std::filesystem::path& directory, const embed::Bundle& bundle) {
  const auto collection = open_reference(directory, bundle, false);
  if (!collection->fault().empty()) throw Error{Errc::corrupt, collection->fault()};
  return {collection->snapshot()};
}

index::Segment::Attachments attachments(const Normal& normal) {
  index::Segment::Attachments files;
  const auto add = [&](const char* name, const auto& part) {
    const auto bytes = encode(part);
    const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
    files[name] = {first, first + bytes.size()};
  };
  add(kCalibrationFile, normal.all);
  if (normal.given) add(kGivenFile, *normal.given);
  if (normal.voted) add(kVotedFile, *normal.voted);
  if (!normal.components.empty()) add(kComponentsFile, normal.components);
  if (!normal.profile.empty()) add(kProfileFile, normal.profile);
  if (!normal.plan.held_out.empty()) add(kHeldOutFile, normal.plan.held_out);
  if (!normal.image_root.empty()) files[kImageRootFile] = {normal.image_root.begin(), normal.image_root.end()};
  if (!normal.plan.grouping.empty()) {
    const auto text = encode(normal.plan.grouping);
    files[kGroupsFile] = {text.begin(), text.end()};
  }
  return files;
}

index::Collection::Finish finish_like(const Reference& reference, std::size_t pools,
                                      std::function<void(std::size_t)> progress) {
  return [kind = std::string{index::name_of(reference.manifest().kind)}, pools, progress = std::move(progress),
          same_label = reference.normal().given.has_value(), plan = reference.normal().plan,
          root = reference.normal().image_root,
          profile = reference.normal().profile](index::Segment& items, index::Manifest& manifest) {
    TuningOptions tuning;
    tuning.pools = pools;
    tuning.plan = plan;
    tuning.progress = progress;
    auto [calibration, search, query_ms] = tune_index(items, kind, tuning);
    manifest.search = search;
    manifest.skipped = 0;
    auto normal = normal_of(items, std::move(calibration), same_label, pools, progress, plan);
    normal.image_root = root;
    normal.watch(std::move(normal.components), profile);
    return attachments(normal);
  };
}

Normal normal_of(const index::Segment& items, drift::Calibration all, bool same_label, std::size_t pools,
                 const std::function<void(std::size_t)>& progress, CalibrationPlan plan) {
  Normal normal;
  normal.all = std::move(all);
  normal.plan = std::move(plan);
  std::vector<float> vector;
  auto components = drift::fit_components(
      items.size(), [&](std::size_t row) { return std::span<const float>{vector = items.index().vector(row)}; });
  normal.watch(std::move(components), {});
  if (!same_label) return normal;
  if (!normal.plan.held_out.empty()) {
    throw Error{Errc::invalid_argument,
                "a reference with held-out images is not calibrated among items of the same label: leave --same-label "
                "or the held-out images away"};
  }
  const auto options = calibration_options(items, pools, progress, normal.plan.grouping);
  normal.given = calibrate_same_label(items, LabelSource::given, options);
  normal.voted = calibrate_same_label(items, LabelSource::voted, options);
  return normal;
}

std::vector<float> own_distances(const Reference& reference, const index::NewItem& item) {
  constexpr std::size_t kSpare = 6;  // room for the item itself and a few copies
  const auto found = reference.items->search({1, item.vector.size(), item.vector.data()}, drift::kNeighbours + kSpare);
  std::vector<float> others;
  for (std::size_t i = 0; i < found.k && found.rows[i] >= 0; ++i) {
    if (found.distances[i] <= reference.calibration().duplicate_distance) continue;
    if (reference.items->item(found.rows[i]).id != item.item.id) others.push_back(found.distances[i]);
  }
  if (others.size() < drift::kNeighbours) return {};
  return {others[2], others[drift::kNeighbours - 1]};
}

void Normal::watch(drift::Components fitted, drift::Profile measured) {
  components = std::move(fitted);
  profile = std::move(measured);
  auto channels = drift::channels_of(components);
  std::ranges::move(drift::channels_of(profile), std::back_inserter(channels));
  watched = std::make_shared<const std::vector<drift::EDetector::Channel>>(std::move(channels));
  windows = components.empty() ? nullptr : std::make_shared<const drift::ComponentWindows>(components);
}

void ProfileBuilder::add(const embed::Properties& properties) {
  const auto values = embed::values_of(properties);
  for (std::size_t i = 0; i < values.size(); ++i) values_[i].push_back(values[i]);
}

drift::Profile ProfileBuilder::finish() {
  drift::Profile profile;
  if (values_[0].empty()) return profile;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    std::ranges::sort(values_[i]);
    profile.push_back({std::string{embed::kPropertyNames[i]}, std::move(values_[i])});
  }
  return profile;
}

std::vector<float> watched_values(const Reference& reference, std::span<const float> embedding,
                                  const std::optional<embed::Properties>& properties) {
  const auto& normal = reference.normal();
  std::vector<float> values;
  if (!normal.components.empty()) values = drift::project(normal.components, embedding);
  if (!properties) return values;
  const auto all = embed::values_of(*properties);
  for (const auto& property : normal.profile) {
    if (property.ascending.empty()) continue;  // it has no channel
    const auto* name = std::ranges::find(embed::kPropertyNames, property.name);
    values.push_back(name == embed::kPropertyNames.end()
                         ? std::numeric_limits<float>::quiet_NaN()
                         : all[static_cast<std::size_t>(name - embed::kPropertyNames.begin())]);
  }
  return values;
}

double duplicate_distance(const index::Segment& items, std::size_t pools) {
  return drift::default_duplicate_distance(items.metric() == index::Metric::cosine ? 1 : pools);
}

drift::CalibrationOptions calibration_options(const index::Segment& items, std::size_t pools,
                                              std::function<void(std::size_t)> progress, const Grouping& grouping) {
  drift::CalibrationOptions options;
  options.duplicate_distance = duplicate_distance(items, pools);
  options.progress = std::move(progress);
  options.vectors = [&items](std::span<const std::int64_t> rows) { return items.index().vectors(rows); };
  for (const auto& item : items.items()) options.labels.push_back(item.label);
  if (!grouping.empty()) options.groups = group_numbers(grouping, items.items());
  return options;
}

drift::Calibration calibrate(const index::Segment& items, std::size_t pools, std::function<void(std::size_t)> progress,
                             const CalibrationPlan& plan) {
  const auto options = calibration_options(items, pools, std::move(progress), plan.grouping);
  auto calibration = drift::calibrate(
      items.size(), [&](auto rows, std::size_t k) { return nearest_rows(items, items.index().vectors(rows), k); },
      options);
  if (plan.held_out.empty()) return calibration;
  auto images = plan.held_out;
  if (items.metric() == index::Metric::cosine) images.vectors = index::scaled_to_unit(images.vectors);
  const auto search = [&](std::span<const std::int64_t> numbers, std::size_t k) {
    Matrix queries{numbers.size(), images.vectors.cols};
    for (std::size_t i = 0; i < numbers.size(); ++i)
      std::ranges::copy(images.vectors.row(static_cast<std::size_t>(numbers[i])), queries.row(i).begin());
    return nearest_rows(items, queries, k);
  };
  drift::rank_held_out(calibration, images, search, options);
  return calibration;
}

namespace {

Neighbour neighbour(const index::ItemView& item, float distance) {
  return {std::string{item.id}, std::string{item.label}, std::string{item.uri}, distance};
}

}  // namespace

std::vector<Neighbour> nearest(const Reference& reference, std::span<const float> vector, std::size_t k,
                               const index::Filter& filter) {
  const auto found = reference.items->search({1, vector.size(), vector.data()}, k, filter);
  std::vector<Neighbour> neighbours;
  for (std::size_t i = 0; i < k && found.rows[i] >= 0; ++i) {
    neighbours.push_back(neighbour(reference.items->item(found.rows[i]), found.distances[i]));
  }
  return neighbours;
}

const drift::Calibration& calibration_for(const Reference& reference, const ScoreOptions& options) {
  const auto& normal = reference.normal();
  if (options.among == Among::all) return normal.all;
  const auto& calibration = options.label.empty() ? normal.voted : normal.given;
  if (!calibration) {
    throw Error{
        Errc::invalid_argument,
        reference.id() + " was built without --same-label, so an image cannot be compared with its own label only"};
  }
  return *calibration;
}

namespace {

std::string voted_label(const Reference& reference, std::span<const std::int64_t> rows) {
  std::vector<std::string_view> labels;
  for (const auto row : rows) {
    if (row >= 0) labels.push_back(reference.items->item(row).label);
  }
  return vote(labels);
}

// Items younger than the calibration bring their own distances (own_distances), which are among all items.
std::vector<drift::Near> near_of(const Reference& reference, std::span<const float> distances,
                                 std::span<const std::int64_t> rows, const drift::Calibration& calibration) {
  auto near = drift::near_of(distances, rows, calibration);
  for (std::size_t i = 0; &calibration == &reference.calibration() && i < near.size(); ++i) {
    const auto own = reference.items->attached(static_cast<std::size_t>(rows[i]));
    if (own.size() != 2) continue;
    near[i].own3 = own[0];
    near[i].own10 = own[1];
  }
  return near;
}

// Of the items that the rows name.
Matrix vectors_of(const Reference& reference, std::span<const std::int64_t> rows, std::size_t count) {
  Matrix vectors{count, reference.items->dimension()};
  for (std::size_t i = 0; i < count; ++i)
    std::ranges::copy(reference.items->vector(static_cast<std::size_t>(rows[i])), vectors.row(i).begin());
  return vectors;
}

void rank(const drift::Calibration& calibration, const ScoreOptions& options, Score& s) {
  if (options.per_label) {
    s.p_value = drift::p_value(s.score, calibration, options.rule, options.k, *s.label);
    s.threshold = drift::threshold(options.alpha, calibration, drift::Rule::knn, options.k, *s.label);
  } else {
    s.p_value = drift::p_value(s.score, calibration, options.rule, options.k);
    s.threshold = drift::threshold(options.alpha, calibration, drift::Rule::knn, options.k);
  }
  s.ood = s.p_value <= options.alpha;
}

double statistic_of(const Reference& reference, std::span<const float> vector, std::span<const drift::Near> near,
                    std::span<const std::int64_t> rows, const drift::Calibration& calibration,
                    const ScoreOptions& options) {
  if (!drift::needs_vectors(options.rule)) return drift::score(options.rule, near, calibration, options.k);
  std::vector<float> image{vector.begin(), vector.end()};
  if (reference.items->base().metric() == index::Metric::cosine) index::scale_to_unit(image);  // as the items are
  const auto vectors = vectors_of(reference, rows, near.size());
  return drift::score(options.rule, near, calibration, options.k, {image, vectors});
}

Score score_of(const Reference& reference, std::span<const float> vector, std::span<const float> distances,
               std::span<const std::int64_t> rows, const ScoreOptions& options) {
  const auto& calibration = calibration_for(reference, options);
  const auto near = near_of(reference, distances, rows, calibration);
  Score s;
  if (options.per_label) s.label = voted_label(reference, rows);
  s.score = statistic_of(reference, vector, near, rows, calibration, options);
  s.alpha = options.alpha;
  rank(calibration, options, s);
  s.k = options.k;
  s.distance = distances[options.k - 1];
  for (std::size_t j = 0; j < options.k && rows[j] >= 0; ++j) {
    s.neighbours.push_back(neighbour(reference.items->item(rows[j]), distances[j]));
  }
  return s;
}

}  // namespace

std::vector<Score> score(const Reference& reference, MatrixView vectors, const ScoreOptions& options) {
  (void)calibration_for(reference, options);
  const auto found = reference.items->search(vectors, drift::kNeighbours);
  std::vector<Score> scores;
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    const auto rows = std::span{found.rows}.subspan(i * found.k, found.k);
    if (options.among == Among::all) {
      scores.push_back(
          score_of(reference, vectors.row(i), std::span{found.distances}.subspan(i * found.k, found.k), rows, options));
      continue;
    }
    const auto label = options.label.empty() ? voted_label(reference, rows) : options.label;
    const auto same =
        reference.items->search({1, vectors.cols, vectors.row(i).data()}, drift::kNeighbours, {.label = label});
    if (same.rows.front() < 0)
      throw Error{Errc::invalid_argument, reference.id() + " has no item of the label \"" + label + "\""};
    scores.push_back(score_of(reference, vectors.row(i), same.distances, same.rows, options));
    scores.back().label = label;
  }
  return scores;
}

}  // namespace driftd::api
