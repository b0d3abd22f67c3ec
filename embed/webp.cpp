// Still WebP by libwebp.
#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <webp/decode.h>

#include "embed/codec.hpp"
#include "embed/exif.hpp"

namespace driftd::embed {
namespace {

constexpr std::size_t kRiffHeader = 12;
constexpr std::size_t kChunkHeader = 8;

[[noreturn]] void damaged(const std::string& why) {
  throw Error{Errc::undecodable, "WebP is damaged or cut short: " + why};
}

// The orientation from the first EXIF chunk of the container.
int find_orientation(Bytes riff) {
  for (std::size_t at = kRiffHeader; at + kChunkHeader <= riff.size();) {
    const std::size_t length = little32(riff, at + 4);
    const Bytes rest = riff.subspan(at + kChunkHeader);
    if (std::memcmp(riff.data() + at, "EXIF", 4) == 0)
      return exif_orientation(rest.first(std::min(length, rest.size())));
    at += kChunkHeader + length + length % 2;
  }
  return 1;
}

void decode_into(Bytes riff, WebPDecoderConfig& config, std::span<std::uint8_t> pixels, WEBP_CSP_MODE mode,
                 int stride) {
  config.output.colorspace = mode;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {.rgba = pixels.data(), .stride = stride, .size = pixels.size()};
  const VP8StatusCode status = WebPDecode(riff.data(), riff.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc{};
  if (status != VP8_STATUS_OK) damaged("libwebp status " + std::to_string(status));
}

}  // namespace

Stored read_webp(Bytes bytes, const DecodeLimits& limits) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) throw Error{Errc::internal, "libwebp is of another version than its header"};
  if (WebPGetFeatures(bytes.data(), bytes.size(), &config.input) != VP8_STATUS_OK) damaged("its header makes no sense");
  const int width = config.input.width;
  const int height = config.input.height;
  check_size(width, height, limits);
  if (config.input.has_animation != 0) {
    throw Error{Errc::unsupported_media, "animated WebP is not accepted; send one still frame"};
  }
  const std::size_t riff_size = std::size_t{little32(bytes, 4)} + 8;
  if (riff_size > bytes.size()) damaged("its end is missing");
  const Bytes riff = bytes.first(riff_size);

  Image image = make_image(width, height);
  if (config.input.has_alpha != 0) {
    std::vector<std::uint8_t> rgba(image.rgb.size() / 3 * 4);
    decode_into(riff, config, rgba, MODE_RGBA, 4 * width);
    composite_on_white(rgba, image.rgb);
  } else {
    decode_into(riff, config, image.rgb, MODE_RGB, 3 * width);
  }
  return {.image = std::move(image), .width = width, .height = height, .orientation = find_orientation(riff)};
}

}  // namespace driftd::embed
