// Embeds many image files: decoding and the model on all cores, results in the order of the sources.
//
// A file that cannot be read or decoded is a result with a reason, never an end of the run. Memory is bounded by
// two blocks of images. An image's batch depends on its place among the sources alone, not on threads or timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "api/image_source.hpp"
#include "embed/bundle.hpp"
#include "embed/embedder.hpp"
#include "embed/properties.hpp"

namespace driftd::api {

struct Embedded {
  const ImageSource* source = nullptr;
  std::vector<float> vector;  // empty when status is not "ok"
  embed::Properties properties;
  std::string status;  // ok | unreadable | unsupported | undecodable | too_large
  std::string reason;  // one sentence when status is not "ok"
};

// Batches never reach across the borders of blocks of so many, counted from the first source (images that fail leave
// their place empty).
inline constexpr std::size_t kEmbedChunk = 64;

// Called on the caller's thread, in order, while images that follow are embedded.
using EmbeddedSink = std::function<void(Embedded&&)>;

// Throws what the embedder or the sink throws; the rest is not embedded then.
void embed_all(std::span<const ImageSource> sources, const embed::Bundle& bundle, embed::Embedder& embedder,
               const EmbeddedSink& sink);

}  // namespace driftd::api
