// Pictures and image files for tests, made on the spot: valid ones by the codecs' own encoders, hostile ones by hand.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "embed/image.hpp"

namespace driftd::test {

using FileBytes = std::vector<std::uint8_t>;

// Smooth colours with some noise; the same seed gives the same picture.
[[nodiscard]] embed::Image picture(int width, int height, unsigned seed = 1);

enum class JpegKind { baseline, progressive, one_scan_per_coefficient };  // the last has 190 scans, all valid

[[nodiscard]] FileBytes encode_jpeg(const embed::Image& image, JpegKind kind = JpegKind::baseline, int quality = 90);
[[nodiscard]] FileBytes encode_png(const embed::Image& image);
[[nodiscard]] FileBytes encode_png_rgba(int width, int height, std::span<const std::uint8_t> rgba);
[[nodiscard]] FileBytes encode_webp(const embed::Image& image);  // lossless
[[nodiscard]] FileBytes encode_bmp(const embed::Image& image, bool top_down = false);

// A TIFF block whose only tag is the orientation.
[[nodiscard]] FileBytes exif_block(int orientation);

// Puts the block where the format keeps it.
[[nodiscard]] FileBytes jpeg_with_exif(FileBytes jpeg, const FileBytes& exif);
[[nodiscard]] FileBytes png_with_chunk(FileBytes png, std::string_view type, const FileBytes& data, int times = 1);
[[nodiscard]] FileBytes webp_with_exif(const embed::Image& image, const FileBytes& exif);

// The same file, claiming to be width x height.
[[nodiscard]] FileBytes jpeg_claiming(FileBytes jpeg, unsigned width, unsigned height);

[[nodiscard]] FileBytes deflate(const FileBytes& bytes);

// A 4 x 4 PNG whose pixel data are followed by that many megabytes of zeros inside the same compressed stream.
[[nodiscard]] FileBytes png_inflating_to(int megabytes);

// 34 bytes: the header of a lossless WebP without pixels.
[[nodiscard]] FileBytes webp_header(unsigned width, unsigned height);

// A WebP container whose header says "animated".
[[nodiscard]] FileBytes animated_webp();

}  // namespace driftd::test
