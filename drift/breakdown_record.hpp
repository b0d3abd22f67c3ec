// The stored form of a breakdown: one little-endian, versioned record.
//
// Thread-safe: pure functions. Internal to this library. Decoding throws Error corrupt for bytes that encoding cannot
// have written.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "drift/breakdown.hpp"

namespace driftd::drift {

[[nodiscard]] std::vector<std::byte> encode(const Breakdown& breakdown);
[[nodiscard]] Breakdown decode_breakdown(std::span<const std::byte> bytes);

}  // namespace driftd::drift
