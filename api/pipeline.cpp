#include "api/pipeline.hpp"

namespace driftd::api {

Prepared prepare(std::span<const std::uint8_t> bytes, const embed::Preprocess& spec) {
  const auto decoded = embed::decode(bytes, {.min_side = spec.min_decode_side()});
  return {embed::fit(decoded.image, spec), embed::measure_properties(decoded)};
}

}  // namespace driftd::api
