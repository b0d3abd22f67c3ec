// EXIF orientation: finding the tag and turning the pixels upright. Internal to decode.cpp and the format readers.
//
// Thread-safe: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "embed/image.hpp"

namespace driftd::embed {

// exif: a TIFF block, with or without the "Exif\0\0" that JPEG puts before it. Reads IFD 0 only and follows no other
// offset. Returns 1 to 8; 1 (upright) when the tag is missing or the block malformed: metadata alone never makes an
// image undecodable.
[[nodiscard]] int exif_orientation(std::span<const std::uint8_t> exif);

// Applies an orientation of 1 to 8. Cost: one pass over the pixels, none for 1.
[[nodiscard]] Image upright(Image image, int orientation);

}  // namespace driftd::embed
