// From the bytes of an image to what the model reads: the one path that index build, service, offline score and audit
// share, so that an image can never look drifted because it was prepared in another way.
//
// Thread-safe: a pure function.
#pragma once

#include <cstdint>
#include <span>

#include "embed/decode.hpp"
#include "embed/preprocess.hpp"
#include "embed/properties.hpp"

namespace driftd::api {

struct Prepared {
  embed::Image image;  // fitted: what the model reads
  embed::Properties properties;
};

// Throws what embed::decode() throws. Cost: about 1 ms for 640 x 480, 30 ms for 12 megapixels.
[[nodiscard]] Prepared prepare(std::span<const std::uint8_t> bytes, const embed::Preprocess& spec);

}  // namespace driftd::api
