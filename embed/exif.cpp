#include "embed/exif.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <string_view>
#include <utility>

#include "embed/codec.hpp"

namespace driftd::embed {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShort = 3;
constexpr std::size_t kEntrySize = 12;

bool starts_with(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::equal(text.begin(), text.end(), bytes.begin());
}

}  // namespace

int exif_orientation(std::span<const std::uint8_t> exif) {
  constexpr std::string_view kJpegPrefix{"Exif\0\0", 6};
  const Bytes tiff = starts_with(exif, kJpegPrefix) ? exif.subspan(kJpegPrefix.size()) : exif;
  const bool little = starts_with(tiff, {"II*\0", 4});
  if (!little && !starts_with(tiff, {"MM\0*", 4})) return 1;
  const auto u16 = [&](std::size_t at) { return little ? little16(tiff, at) : big16(tiff, at); };
  const auto u32 = [&](std::size_t at) { return little ? little32(tiff, at) : big32(tiff, at); };

  if (tiff.size() < 8) return 1;
  const std::size_t directory = u32(4);
  if (directory > tiff.size() || tiff.size() - directory < 2) return 1;
  const std::size_t room = (tiff.size() - directory - 2) / kEntrySize;
  const std::size_t entries = std::min<std::size_t>(u16(directory), room);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntrySize;
    if (u16(entry) != kOrientationTag) continue;
    const std::uint32_t value = u16(entry + 8);
    const bool valid = u16(entry + 2) == kShort && u32(entry + 4) == 1 && value >= 1 && value <= 8;
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image upright(Image image, int orientation) {
  assert(orientation >= 1 && orientation <= 8);
  if (orientation == 1) return image;
  const bool transpose = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;

  const std::ptrdiff_t width = image.width;
  const std::ptrdiff_t height = image.height;
  Image turned = transpose ? make_image(image.height, image.width) : make_image(image.width, image.height);
  // One step right or down in the result, in bytes, and where the walk over it starts.
  const std::ptrdiff_t right = flip_x ? -3 : 3;
  const std::ptrdiff_t down = std::ptrdiff_t{3} * turned.width * (flip_y ? -1 : 1);
  const std::ptrdiff_t start = (flip_x ? std::ptrdiff_t{3} * (turned.width - 1) : 0) +
                               (flip_y ? std::ptrdiff_t{3} * turned.width * (turned.height - 1) : 0);
  const std::ptrdiff_t step_x = transpose ? down : right;
  const std::ptrdiff_t step_y = transpose ? right : down;

  // Tiles keep both the rows read and the rows written in the cache when they are transposed.
  constexpr std::ptrdiff_t kTile = 64;
  for (std::ptrdiff_t y0 = 0; y0 < height; y0 += kTile) {
    for (std::ptrdiff_t x0 = 0; x0 < width; x0 += kTile) {
      for (std::ptrdiff_t y = y0; y < std::min(y0 + kTile, height); ++y) {
        for (std::ptrdiff_t x = x0; x < std::min(x0 + kTile, width); ++x) {
          const std::uint8_t* from = image.rgb.data() + 3 * (y * width + x);
          std::copy_n(from, 3, turned.rgb.data() + start + x * step_x + y * step_y);
        }
      }
    }
  }
  return turned;
}

}  // namespace driftd::embed
