// Bytes of an image file to pixels. JPEG, PNG, WebP (still) and BMP, told apart by their first bytes alone; a name or a
// content type is never trusted.
//
// The written rule for what is not plain 8-bit RGB:
//   grey          copied to the three channels
//   alpha         composited on white
//   palette       looked up (with its transparency, on white)
//   16 bit        the value divided by 257, rounded
//   CMYK, YCCK    R = C*K/255 with Adobe's inverted values (as Pillow does)
//   EXIF          all eight orientations are applied, for JPEG, PNG and WebP
//   animation     refused (unsupported_media)
//   cut short     refused (undecodable), also a JPEG that libjpeg would fill up with grey
// Colour profiles are ignored.
//
// Limits are checked from the header, before any pixel is decoded or memory is taken for it.
// Thread-safe: a pure function. Cost of 640 x 480: JPEG 1 ms, WebP 5 ms, PNG 8 ms. Large JPEGs are decoded at a scale
// of 1/2, 1/4 or 1/8 (in the DCT domain) as long as the shorter side stays at least min_side, so 12 megapixels cost 25
// ms instead of 61.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "embed/image.hpp"

namespace driftd::embed {

enum class Format { jpeg, png, webp, bmp };

[[nodiscard]] std::string_view to_string(Format format);

struct DecodeLimits {
  int max_side = 16'384;                       // pixels
  std::int64_t max_pixels = 40'000'000;        // 40 megapixels
  int max_scans = 100;                         // of a progressive JPEG
  std::int64_t max_scan_pixels = 400'000'000;  // scans x pixels: bounds the time that a progressive JPEG can cost
};

struct DecodeOptions {
  DecodeLimits limits;
  int min_side = 0;  // 0: always full size
};

struct Decoded {
  Image image;  // upright; may be smaller than the original when min_side allowed a scaled decode
  Format format{};
  int width = 0;  // of the original, upright
  int height = 0;
  int jpeg_quality = 100;  // 1 to 100, estimated from the quantisation table; 100 for the other formats
};

// Throws Error: unsupported_media when the bytes start like none of the four formats.
[[nodiscard]] Format sniff(std::span<const std::uint8_t> bytes);

// Throws Error: unsupported_media, too_large (over a limit), undecodable (damaged or cut short).
[[nodiscard]] Decoded decode(std::span<const std::uint8_t> bytes, const DecodeOptions& options = {});

struct Size {
  int width = 0;
  int height = 0;
};

// Of a JPEG file that is nothing but a picture in grey or colour: no metadata, comment or preview, and nothing behind
// its end. Nothing for any other file. Pixels are not decoded: whether they are sound only decode() tells.
[[nodiscard]] std::optional<Size> bare_jpeg_size(std::span<const std::uint8_t> bytes);

}  // namespace driftd::embed
