// The stored form of a retrain request: one little-endian, versioned record, a column of the store's table.
//
// Thread-safe: pure functions. Internal to this library. Decoding throws Error corrupt for bytes that encoding cannot
// have written; a record of a newer version cannot be met, because the store refuses a newer schema first.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "drift/retrain.hpp"

namespace driftd::drift {

[[nodiscard]] std::vector<std::byte> encode(const RetrainRequest& request);
[[nodiscard]] RetrainRequest decode_retrain(std::span<const std::byte> bytes);

}  // namespace driftd::drift
