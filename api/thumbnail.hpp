// Small pictures to show to a person: images made smaller, as JPEG or as data URIs of a page.
//
// Confined to one thread. Cost: decoding, about 1 ms for 640 x 480.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "embed/image.hpp"

namespace driftd::api {

struct Thumbnail {
  std::string data_uri;  // "data:image/jpeg;base64,..."; empty: there is none
  int width = 0;
  int height = 0;
};

// An image file's pixels with a longer side of at most `side`. Throws what embed::decode() throws.
[[nodiscard]] embed::Image smaller_image(std::span<const std::uint8_t> bytes, int side);

// Throws Error{internal} when libjpeg fails. quality: 1 to 100.
[[nodiscard]] std::vector<unsigned char> encode_jpeg(const embed::Image& image, int quality);

// What evidence is shown as, of strange and of training images.
inline constexpr int kThumbnailSide = 96;
inline constexpr int kThumbnailQuality = 70;

struct SmallJpeg {
  std::vector<unsigned char> jpeg;
  int width = 0;
  int height = 0;
};

// Both of the above: nothing of the file but its pixels is left. Throws what they throw.
[[nodiscard]] SmallJpeg small_jpeg(std::span<const std::uint8_t> bytes, int side, int quality);

// The same of a file that has been decoded before, which is kept as it is where it is a JPEG that small, of at most
// four bits a pixel, and nothing but a picture.
[[nodiscard]] SmallJpeg kept_jpeg(std::span<const std::uint8_t> bytes, int side, int quality);

class Thumbnails {
 public:
  // budget: bytes of data URIs in all; what comes later has no picture.
  explicit Thumbnails(std::size_t budget) : left_{budget} {}

  // None for a file that is gone, is no picture, or is over 64 MiB, and when the budget is spent. Longer side at most
  // 112 pixels.
  [[nodiscard]] Thumbnail of(const std::filesystem::path& path);

 private:
  std::size_t left_;
};

}  // namespace driftd::api
