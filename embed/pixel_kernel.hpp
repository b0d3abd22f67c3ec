// What is computed over all pixels of an image, in the widest registers that the processor has: the passes of a resize,
// averages of blocks, and the sums that properties are made of.
//
// Immutable tables, thread-safe. In integers (averages of blocks: rounded from exact sums): every kernel gives the same
// bits. Pixels are three bytes, red, green and blue.
// Cost: a resize takes one multiplication for each value and tap; with AVX-512 three instructions for 16 values and
// 4 taps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "embed/image.hpp"
#include "embed/resample_axis.hpp"

namespace driftd::embed {

// Rows of pixels that lie `stride` bytes apart.
struct PixelRows {
  const std::uint8_t* first = nullptr;
  std::size_t stride = 0;
  std::size_t length = 0;  // bytes of a row
  int count = 0;

  [[nodiscard]] const std::uint8_t* row(int y) const { return first + stride * static_cast<std::size_t>(y); }
};

// Sums over pixels. Luma is BT.601's, rounded; edges are its Laplacian, beyond the border what lies inside it;
// saturation is HSV's, rounded to a 255th.
struct PixelSums {
  std::int64_t luma = 0;
  std::int64_t luma_squared = 0;
  std::int64_t edges = 0;
  std::int64_t edges_squared = 0;
  std::int64_t saturation = 0;
};

struct PixelKernel {
  std::string_view name;
  // Each row becomes one of axis.size() pixels; left: the position on the axis of what rows begin with.
  void (*along)(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out);
  // The rows become axis.size() rows as long as they; top: the position on the axis of the first row.
  void (*across)(const PixelRows& rows, int top, const ResampleAxis& axis, std::uint8_t* out);
  // Averages of block x block pixels, 2 to 64; what is left over at the right and below is not looked at.
  Image (*blocks)(const Image& image, int block);
  // Of an image that is at most 2,000 pixels wide.
  PixelSums (*sums)(const Image& image);
};

// What this machine can run, the best first; never empty.
[[nodiscard]] std::span<const PixelKernel> pixel_kernels();

}  // namespace driftd::embed
