#include "api/reference.hpp"

#include <numeric>
#include <utility>

#include "api/index_tuning.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

drift::Neighbours neighbours_of_rows(const index::Segment& items, std::span<const std::int64_t> rows, std::size_t k) {
  Matrix queries{rows.size(), items.dimension()};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto vector = items.index().vector(static_cast<std::size_t>(rows[i]));
    std::copy(vector.begin(), vector.end(), queries.row(i).begin());
  }
  auto found = items.search(queries, k);
  return {found.k, std::move(found.distances), std::move(found.rows)};
}

}  // namespace

std::filesystem::path model_directory(const std::string& wanted, const std::filesystem::path& reference) {
  return wanted.empty() ? std::filesystem::path{index::read_live_manifest(reference).model_directory} : std::filesystem::path{wanted};
}

std::unique_ptr<index::Collection> open_reference(const std::filesystem::path& directory, const embed::Bundle& bundle, bool writable) {
  index::CollectionOptions options;
  options.writable = writable;
  options.now = [] { return rfc3339(now_ms()); };
  options.companion = [&bundle, directory](const index::Segment& items) -> std::shared_ptr<const void> {
    if (items.manifest().model_hash != bundle.hash) {
      throw Error{Errc::conflict, directory.string() + " was built with the model " + items.manifest().model_name + "@sha256:" +
                                      items.manifest().model_hash + ", not with " + bundle.id() +
                                      "; distances between the vectors of two models mean nothing: build it again with this model"};
    }
    auto calibration = drift::decode_calibration(std::as_bytes(std::span{items.attachment(kCalibrationFile)}));
    if (calibration.n != items.size()) {
      throw Error{Errc::corrupt, directory.string() + ": " + kCalibrationFile + " is of another set of vectors"};
    }
    return std::make_shared<const drift::Calibration>(std::move(calibration));
  };
  return index::Collection::open(directory, std::move(options));
}

Reference load_reference(const std::filesystem::path& directory, const embed::Bundle& bundle) {
  const auto collection = open_reference(directory, bundle, false);
  if (!collection->fault().empty()) throw Error{Errc::corrupt, collection->fault()};
  return {collection->snapshot()};
}

index::Segment::Attachments attachments(const drift::Calibration& calibration) {
  const auto bytes = drift::encode(calibration);
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {{kCalibrationFile, {first, first + bytes.size()}}};
}

index::Collection::Finish finish_like(const Reference& reference, std::size_t pools, std::function<void(std::size_t)> progress) {
  return [kind = std::string{index::name_of(reference.manifest().kind)}, pools, progress = std::move(progress)](index::Segment& items, index::Manifest& manifest) {
    TuningOptions tuning;
    tuning.pools = pools;
    tuning.progress = progress;
    const auto [calibration, search] = tune_index(items, kind, tuning);
    manifest.search = search;
    manifest.skipped = 0;
    return attachments(calibration);
  };
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

drift::Calibration calibrate(const index::Segment& items, std::size_t pools, std::function<void(std::size_t)> progress) {
  const auto search = [&](std::span<const std::int64_t> rows, std::size_t k) { return neighbours_of_rows(items, rows, k); };
  return drift::calibrate(items.size(), search,
                          {.duplicate_distance = drift::default_duplicate_distance(pools), .progress = std::move(progress)});
}

std::vector<Neighbour> nearest(const Reference& reference, std::span<const float> vector, std::size_t k, const index::Filter& filter) {
  const auto found = reference.items->search({1, vector.size(), vector.data()}, k, filter);
  std::vector<Neighbour> neighbours;
  for (std::size_t i = 0; i < k && found.rows[i] >= 0; ++i) {
    const auto& item = reference.items->item(found.rows[i]);
    neighbours.push_back({item.id, item.label, item.uri, found.distances[i]});
  }
  return neighbours;
}

std::vector<Score> score(const Reference& reference, MatrixView vectors, const ScoreOptions& options) {
  const auto found = reference.items->search(vectors, drift::kNeighbours);
  const double threshold = drift::threshold(options.alpha, reference.calibration(), drift::Rule::knn, options.k);
  std::vector<Score> scores(vectors.rows);
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    const auto distances = std::span{found.distances}.subspan(i * found.k, found.k);
    const auto rows = std::span{found.rows}.subspan(i * found.k, found.k);
    auto& s = scores[i];
    s.score = drift::score(options.rule, distances, rows, reference.calibration(), options.k);
    s.p_value = drift::p_value(s.score, reference.calibration(), options.rule, options.k);
    s.alpha = options.alpha;
    s.ood = s.p_value <= options.alpha;
    s.k = options.k;
    s.distance = distances[options.k - 1];
    s.threshold = threshold;
    for (std::size_t j = 0; j < options.k && rows[j] >= 0; ++j) {
      const auto& item = reference.items->item(rows[j]);
      s.neighbours.push_back({item.id, item.label, item.uri, distances[j]});
    }
  }
  return scores;
}

}  // namespace driftd::api
