// Embeds many image files: decoding on all cores beside the model, results in the order of the sources.
//
// A file that cannot be read or decoded is a result with a reason, never an end of the run. Memory is bounded by two
// chunks.
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

// Images are embedded together in blocks of so many, counted from the first source (those that fail leave their place
// empty).
inline constexpr std::size_t kEmbedChunk = 64;

// Called on the caller's thread, in order.
using EmbeddedSink = std::function<void(Embedded&&)>;

void embed_all(std::span<const ImageSource> sources, const embed::Bundle& bundle, embed::Embedder& embedder,
               const EmbeddedSink& sink);

}  // namespace driftd::api
