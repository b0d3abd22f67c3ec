#include "api/reference.hpp"

#include <numeric>
#include <utility>

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
  return wanted.empty() ? std::filesystem::path{index::read_manifest(reference).model_directory} : std::filesystem::path{wanted};
}

std::shared_ptr<const Reference> load_reference(const std::filesystem::path& directory, const embed::Bundle& bundle) {
  auto items = index::Segment::open(directory);
  if (items.manifest().model_hash != bundle.hash) {
    throw Error{Errc::conflict, directory.string() + " was built with the model " + items.manifest().model_name + "@sha256:" +
                                    items.manifest().model_hash + ", not with " + bundle.id() +
                                    "; distances between the vectors of two models mean nothing: build it again with this model"};
  }
  auto calibration = drift::decode_calibration(std::as_bytes(std::span{items.attachment(kCalibrationFile)}));
  if (calibration.n != items.size()) throw Error{Errc::corrupt, directory.string() + ": the calibration is of another set of vectors"};
  return std::make_shared<const Reference>(Reference{std::move(items), std::move(calibration)});
}

drift::Calibration calibrate(const index::Segment& items, std::size_t pools, std::function<void(std::size_t)> progress) {
  const auto search = [&](std::span<const std::int64_t> rows, std::size_t k) { return neighbours_of_rows(items, rows, k); };
  return drift::calibrate(items.size(), search,
                          {.duplicate_distance = drift::default_duplicate_distance(pools), .progress = std::move(progress)});
}

std::vector<Score> score(const Reference& reference, MatrixView vectors, const ScoreOptions& options) {
  const auto found = reference.items.search(vectors, drift::kNeighbours);
  const double threshold = drift::threshold(options.alpha, reference.calibration, drift::Rule::knn, options.k);
  std::vector<Score> scores(vectors.rows);
  for (std::size_t i = 0; i < vectors.rows; ++i) {
    const auto distances = std::span{found.distances}.subspan(i * found.k, found.k);
    const auto rows = std::span{found.rows}.subspan(i * found.k, found.k);
    auto& s = scores[i];
    s.score = drift::score(options.rule, distances, rows, reference.calibration, options.k);
    s.p_value = drift::p_value(s.score, reference.calibration, options.rule, options.k);
    s.alpha = options.alpha;
    s.ood = s.p_value <= options.alpha;
    s.k = options.k;
    s.distance = distances[options.k - 1];
    s.threshold = threshold;
    for (std::size_t j = 0; j < options.k && rows[j] >= 0; ++j) {
      const auto& item = reference.items.item(rows[j]);
      s.neighbours.push_back({item.id, item.label, item.uri, distances[j]});
    }
  }
  return scores;
}

}  // namespace driftd::api
