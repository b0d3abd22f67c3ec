// A reference as the rest of driftd uses it: items, vectors and calibration, bound to one model bundle by hash.
//
// Immutable: searched by any number of threads without locks.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "drift/calibration.hpp"
#include "drift/scorer.hpp"
#include "embed/bundle.hpp"
#include "index/segment.hpp"

namespace driftd::api {

struct Reference {
  index::Segment items;
  drift::Calibration calibration;

  [[nodiscard]] const index::Manifest& manifest() const { return items.manifest(); }
};

// The bundle to use with a reference: the one asked for, or else the one that it was built with.
[[nodiscard]] std::filesystem::path model_directory(const std::string& wanted, const std::filesystem::path& reference);

// Throws what Segment::open() throws; conflict when the reference was built with another bundle; corrupt when the calibration
// does not fit the vectors.
[[nodiscard]] std::shared_ptr<const Reference> load_reference(const std::filesystem::path& directory, const embed::Bundle& bundle);

// Leave-one-out calibration of all items, through the same index that will serve. pools: unit vectors per embedding.
[[nodiscard]] drift::Calibration calibrate(const index::Segment& items, std::size_t pools, std::function<void(std::size_t)> progress);

// The calibration as the attachment that load_reference() expects.
inline constexpr const char* kCalibrationFile = "calibration.bin";

struct ScoreOptions {
  drift::Rule rule = drift::Rule::blend;
  std::size_t k = drift::kDefaultK;  // neighbours listed, and the k of Rule::knn
  double alpha = 0.05;
};

struct Neighbour {
  std::string id;
  std::string label;
  std::string uri;
  double distance = 0;
};

struct Score {
  double score = 0;      // the rule's statistic; larger is stranger
  double p_value = 1;
  bool ood = false;      // p_value <= alpha
  double alpha = 0;
  double distance = 0;   // to the k-th neighbour
  double threshold = 0;  // of the distance at alpha, to compare it with
  std::size_t k = 0;
  std::vector<Neighbour> neighbours;  // k, nearest first
};

// One row per vector. The same for one vector as for many. Throws Error{invalid_argument} on a wrong dimension.
[[nodiscard]] std::vector<Score> score(const Reference& reference, MatrixView vectors, const ScoreOptions& options);

}  // namespace driftd::api
