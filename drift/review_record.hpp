// The stored form of a review item: one little-endian, versioned record. Its order is the row's.
//
// Thread-safe: pure functions. Internal to this library. Decoding throws Error corrupt for bytes that encoding cannot
// have written.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "drift/review.hpp"

namespace driftd::drift {

[[nodiscard]] std::vector<std::byte> encode(const ReviewItem& item);
[[nodiscard]] ReviewItem decode_review(std::span<const std::byte> bytes);

}  // namespace driftd::drift
