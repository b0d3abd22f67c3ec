// How often the neighbours' vote is right about a reference's own images, each held out: what to expect of images like
// them.
//
// Thread-safe: a pure function. Cost: one search for each image of a sample of at most 1,000.
#pragma once

#include <cstddef>

#include "api/reference.hpp"

namespace driftd::api {

struct VoteAccuracy {
  std::size_t right = 0;
  std::size_t images = 0;  // that have a label and neighbours with one
};

// The vote of k neighbours; an image's copies do not vote, as for p-values. pools: unit vectors per embedding.
[[nodiscard]] VoteAccuracy vote_accuracy(const Reference& reference, std::size_t k, std::size_t pools);

}  // namespace driftd::api
