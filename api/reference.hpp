// One state of a reference as the rest of driftd uses it: items, vectors and calibration, bound to one model bundle by
// hash.
//
// Immutable: searched by any number of threads without locks. Cheap to copy.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/grouping.hpp"
#include "drift/calibration.hpp"
#include "drift/component_windows.hpp"
#include "drift/components.hpp"
#include "drift/held_out.hpp"
#include "drift/profile.hpp"
#include "drift/scorer.hpp"
#include "embed/bundle.hpp"
#include "embed/properties.hpp"
#include "index/collection.hpp"

namespace driftd::api {

// How a reference is calibrated; kept with it, so that a compaction calibrates alike. By default each image is left out
// in turn.
struct CalibrationPlan {
  Grouping grouping;        // not empty: a group is left out at a time
  drift::HeldOut held_out;  // not empty: images are ranked among these
};

// What is normal for a reference: the statistics of its own images that an image is compared with.
struct Normal {
  drift::Calibration all;                   // among all items
  std::optional<drift::Calibration> given;  // among items of the same label (same_label.hpp), where it was built so
  std::optional<drift::Calibration> voted;
  CalibrationPlan plan;
  std::string image_root;  // folder that the items' uris are relative to, as it was when a person last built it; empty:
                           // not known
  drift::Components components;  // of the items' embeddings; none: few items, or built before there were components
  drift::Profile profile;  // of the images' properties, as they were when a person last built it; empty: from vectors
  std::shared_ptr<const std::vector<drift::EDetector::Channel>>
      watched;                                             // channels of the components, then of the profile
  std::shared_ptr<const drift::ComponentWindows> windows;  // null without components

  // Sets the last four.
  void watch(drift::Components fitted, drift::Profile measured);
};

struct Reference {
  std::shared_ptr<const index::Snapshot> items;

  // Of the version's segment: what is added later is scored against it, and joins it when the collection is compacted.
  [[nodiscard]] const Normal& normal() const { return *static_cast<const Normal*>(items->base().companion().get()); }
  [[nodiscard]] const drift::Calibration& calibration() const { return normal().all; }
  [[nodiscard]] const index::Manifest& manifest() const { return items->manifest(); }
  [[nodiscard]] std::string id() const { return items->id(); }  // "default@4"
};

// The bundle to use with a reference: the one asked for, or else the one that it was built with.
[[nodiscard]] std::filesystem::path model_directory(const std::string& wanted, const std::filesystem::path& reference);

// A collection whose segments carry their calibrations. Throws what Collection::open() throws; conflict when the
// reference was built with another bundle; corrupt when the calibration does not fit the vectors.
[[nodiscard]] std::unique_ptr<index::Collection> open_reference(const std::filesystem::path& directory,
                                                                const embed::Bundle& bundle, bool writable,
                                                                const index::Device& device = {},
                                                                index::Segment::Progress opening = {});
// The live version, for reading.
[[nodiscard]] Reference load_reference(const std::filesystem::path& directory, const embed::Bundle& bundle);

// Up to which two of these items' vectors count as copies. pools: unit vectors per embedding.
[[nodiscard]] double duplicate_distance(const index::Segment& items, std::size_t pools);

// The calibration of all items, through the same index that will serve. pools: unit vectors per embedding. Throws what
// drift::calibrate() and drift::rank_held_out() throw.
[[nodiscard]] drift::Calibration calibrate(const index::Segment& items, std::size_t pools,
                                           std::function<void(std::size_t)> progress, const CalibrationPlan& plan = {});
// What that asks drift for, where it searches otherwise.
[[nodiscard]] drift::CalibrationOptions calibration_options(const index::Segment& items, std::size_t pools,
                                                            std::function<void(std::size_t)> progress,
                                                            const Grouping& grouping);

// The calibrations as the attachments that open_reference() expects.
[[nodiscard]] index::Segment::Attachments attachments(const Normal& normal);
// The calibration among all items of a segment, without its model.
[[nodiscard]] drift::Calibration calibration_of(const index::Segment& items);

// All but the profile. `all` is the calibration that there is already; the others cost as much again each. They are not
// made with images held out: Error{invalid_argument}.
[[nodiscard]] Normal normal_of(const index::Segment& items, drift::Calibration all, bool same_label, std::size_t pools,
                               const std::function<void(std::size_t)>& progress, CalibrationPlan plan = {});

// How a compaction finishes a segment: an index of the same kind, tuned and calibrated anew.
[[nodiscard]] index::Collection::Finish finish_like(const Reference& reference, std::size_t pools,
                                                    std::function<void(std::size_t)> progress);

// Of an item about to be added: the distances to its 3rd and 10th neighbours, copies and the item that it replaces left
// out. Empty where there are not so many.
[[nodiscard]] std::vector<float> own_distances(const Reference& reference, const index::NewItem& item);

// Collects the properties of the images of a reference that is being built.
class ProfileBuilder {
 public:
  void add(const embed::Properties& properties);
  // Empty when no image was added.
  [[nodiscard]] drift::Profile finish();

 private:
  std::array<std::vector<float>, embed::kPropertyNames.size()> values_;
};

// The values of an image, or of a vector without properties, in the reference's watched channels, in their order.
[[nodiscard]] std::vector<float> watched_values(const Reference& reference, std::span<const float> embedding,
                                                const std::optional<embed::Properties>& properties);

enum class Among { all, same_label };

struct ScoreOptions {
  drift::Rule rule = drift::Rule::blend;
  std::size_t k = drift::kDefaultK;  // neighbours listed, and the k of Rule::knn
  double alpha = 0.05;
  Among among = Among::all;
  std::string label;       // of the image, for same_label; empty: voted by its neighbours
  bool per_label = false;  // the p-value ranks within the label that its neighbours vote for

  friend bool operator==(const ScoreOptions&, const ScoreOptions&) = default;
};

// The calibration that these options rank by. Throws Error{invalid_argument} where the reference was built without it.
[[nodiscard]] const drift::Calibration& calibration_for(const Reference& reference, const ScoreOptions& options);

struct Neighbour {
  std::string id;
  std::string label;
  std::string uri;
  double distance = 0;
};

// The k nearest items, for a person to look at. Throws Error{invalid_argument} on a wrong dimension.
[[nodiscard]] std::vector<Neighbour> nearest(const Reference& reference, std::span<const float> vector, std::size_t k,
                                             const index::Filter& filter);

struct Score {
  double score = 0;  // the rule's statistic; larger is stranger
  double p_value = 1;
  bool ood = false;  // p_value <= alpha
  double alpha = 0;
  double distance = 0;   // to the k-th neighbour
  double threshold = 0;  // of the distance at alpha, to compare it with
  std::size_t k = 0;
  std::optional<std::string> label;   // that it was compared with, or ranked within
  std::vector<Neighbour> neighbours;  // k, nearest first
};

// One row per vector. The same for one vector as for many. Throws Error{invalid_argument} on a wrong dimension.
[[nodiscard]] std::vector<Score> score(const Reference& reference, MatrixView vectors, const ScoreOptions& options);

}  // namespace driftd::api
