#include "embed/decode.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

#include "embed/codec.hpp"
#include "embed/exif.hpp"

namespace driftd::embed {
namespace {

bool has_at(Bytes bytes, std::size_t at, std::string_view text) {
  return bytes.size() >= at + text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin() + at,
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

Stored read(Format format, Bytes bytes, const DecodeOptions& options) {
  switch (format) {
    case Format::jpeg:
      return read_jpeg(bytes, options);
    case Format::png:
      return read_png(bytes, options.limits);
    case Format::webp:
      return read_webp(bytes, options.limits);
    case Format::bmp:
      return read_bmp(bytes, options.limits);
  }
  std::abort();
}

}  // namespace

std::string_view to_string(Format format) {
  switch (format) {
    case Format::jpeg:
      return "jpeg";
    case Format::png:
      return "png";
    case Format::webp:
      return "webp";
    case Format::bmp:
      return "bmp";
  }
  std::abort();
}

Format sniff(Bytes bytes) {
  if (has_at(bytes, 0, "\xFF\xD8\xFF")) return Format::jpeg;
  if (has_at(bytes, 0, "\x89PNG\r\n\x1A\n")) return Format::png;
  if (has_at(bytes, 0, "RIFF") && has_at(bytes, 8, "WEBP")) return Format::webp;
  if (has_at(bytes, 0, "BM")) return Format::bmp;
  throw Error{Errc::unsupported_media, bytes.empty() ? "no image: there are no bytes"
                                                     : "not an image of an accepted kind: send JPEG, PNG, WebP or BMP"};
}

Decoded decode(Bytes bytes, const DecodeOptions& options) try {
  const Format format = sniff(bytes);
  Stored stored = read(format, bytes, options);
  const bool turned = stored.orientation >= 5;
  return {.image = upright(std::move(stored.image), stored.orientation),
          .format = format,
          .width = turned ? stored.height : stored.width,
          .height = turned ? stored.width : stored.height,
          .jpeg_quality = stored.jpeg_quality};
} catch (const std::bad_alloc&) {
  throw Error{Errc::overloaded, "not enough memory to decode the image; try again later or send a smaller one"};
}

void check_size(std::int64_t width, std::int64_t height, const DecodeLimits& limits) {
  if (width < 1 || height < 1) throw Error{Errc::undecodable, "the image's header gives it no pixels"};
  const std::string size = std::to_string(width) + " x " + std::to_string(height);
  if (width > limits.max_side || height > limits.max_side) {
    throw Error{Errc::too_large,
                "the image is " + size + "; a side may have " + std::to_string(limits.max_side) + " pixels"};
  }
  if (width * height > limits.max_pixels) {
    throw Error{Errc::too_large,
                "the image is " + size + "; " + std::to_string(limits.max_pixels) + " pixels are allowed"};
  }
}

Image make_image(int width, int height) {
  return {width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
}

void composite_on_white(Bytes rgba, std::span<std::uint8_t> rgb) {
  assert(rgba.size() / 4 == rgb.size() / 3);
  for (std::size_t i = 0; i < rgb.size() / 3; ++i) {
    const unsigned alpha = rgba[4 * i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      rgb[3 * i + c] = static_cast<std::uint8_t>((rgba[4 * i + c] * alpha + 255U * (255U - alpha) + 127U) / 255U);
    }
  }
}

}  // namespace driftd::embed
