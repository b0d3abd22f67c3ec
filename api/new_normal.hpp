// What drifted is right, and the reference is out of date: images that a person has labelled join the reference.
//
// Thread-safe: free functions over thread-safe things.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "api/references.hpp"
#include "api/review_service.hpp"
#include "drift/review.hpp"

namespace driftd::api {

// Where accepted images go.
struct ReviewDesk {
  ReviewService& review;
  const References& references;
  std::string model;  // of the bundle that serves
};

// The item that a queued image becomes: its id is "review-" and that in the queue, so that accepting twice adds one.
[[nodiscard]] index::NewItem new_item(const drift::ReviewItem& item, std::vector<float> vector);

// The one reference that all of these images were scored against. Throws Error: not_found, conflict (read-only, several
// references, an embedding of another model).
[[nodiscard]] LiveReference& reference_for(const References& references, const std::string& model,
                                           const std::vector<drift::ReviewItem>& items);

struct NewNormal {
  std::size_t accepted = 0;
  std::string reference;              // "default@5": the version that holds them, live
  std::int64_t rollback_version = 0;  // a snapshot of how it was before
  bool recalibrating = false;         // a compaction has begun: with its end p-values count the new images as normal
};

// Takes a snapshot, adds the images to the live version (durable on return) and begins a compaction. Throws Error:
// conflict where there is no image, and what reference_for() and LiveReference::upsert() throw.
[[nodiscard]] NewNormal accept_as_normal(ReviewDesk& desk, const std::vector<drift::ReviewItem>& items,
                                         const std::string& who, const std::string& note, std::int64_t now_ms);

}  // namespace driftd::api
