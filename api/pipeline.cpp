#include "api/pipeline.hpp"

namespace driftd::api {

Prepared prepare(std::span<const std::uint8_t> bytes, const embed::Preprocess& spec) {
  const auto decoded = embed::decode(bytes, {.min_side = spec.min_decode_side()});
  Prepared prepared{std::vector<float>(spec.tensor_size()), embed::measure_properties(decoded)};
  embed::preprocess(decoded.image, spec, prepared.tensor);
  return prepared;
}

}  // namespace driftd::api
