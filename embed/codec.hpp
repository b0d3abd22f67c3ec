// What the four format readers have in common. Internal to decode.cpp and the readers.
//
// Each reader checks the limits from the header before it takes memory for pixels, and throws Error: unsupported_media,
// too_large or undecodable. Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.hpp"
#include "embed/decode.hpp"
#include "embed/image.hpp"

namespace driftd::embed {

using Bytes = std::span<const std::uint8_t>;

// As stored: the orientation is still to be applied.
struct Stored {
  Image image;
  int width = 0;  // of the file; image may be smaller after a scaled decode
  int height = 0;
  int orientation = 1;  // EXIF, 1 to 8
  int jpeg_quality = 100;
};

[[nodiscard]] Stored read_jpeg(Bytes bytes, const DecodeOptions& options);
[[nodiscard]] Stored read_png(Bytes bytes, const DecodeLimits& limits);
[[nodiscard]] Stored read_webp(Bytes bytes, const DecodeLimits& limits);
[[nodiscard]] Stored read_bmp(Bytes bytes, const DecodeLimits& limits);

// Throws Error: undecodable for a side below 1, too_large over a limit.
void check_size(std::int64_t width, std::int64_t height, const DecodeLimits& limits);

// A black image; the sides have passed check_size().
[[nodiscard]] Image make_image(int width, int height);

// rgba: 4 bytes a pixel, not premultiplied. rgb: 3 bytes for each of the same pixels.
void composite_on_white(Bytes rgba, std::span<std::uint8_t> rgb);

// Integers at an offset; the caller has checked that they lie inside.
[[nodiscard]] inline std::uint32_t little16(Bytes b, std::size_t at) {
  return b[at] | b[at + 1] << 8U;
}
[[nodiscard]] inline std::uint32_t big16(Bytes b, std::size_t at) {
  return b[at] << 8U | b[at + 1];
}
[[nodiscard]] inline std::uint32_t little32(Bytes b, std::size_t at) {
  return little16(b, at) | little16(b, at + 2) << 16U;
}
[[nodiscard]] inline std::uint32_t big32(Bytes b, std::size_t at) {
  return big16(b, at) << 16U | big16(b, at + 2);
}

}  // namespace driftd::embed
