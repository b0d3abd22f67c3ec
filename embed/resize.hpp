// Antialiased resizing that agrees with Pillow's Image.resize, the resize that most training pipelines use: filter
// support grows with the reduction, two passes with an 8-bit result after each. OpenCV's resize does not antialias; a
// model trained with one and served with the other sees every image as slightly drifted.
//
// Thread-safe: pure functions. Cost: O(output pixels x filter support), and only for what lies in the window. Equal to
// Pillow 13: the same weights in fixed point with 22 bits, the same rounding and order of passes (horizontal first, but
// vertical first where that saves much work; older versions always begin horizontally, which can change a pixel by 1 of
// 255). Throws Error{invalid_argument} when a target side is below 1 or the window is empty or reaches outside the
// target.
#pragma once

#include <string_view>

#include "embed/image.hpp"

namespace driftd::embed {

enum class Filter { bilinear, bicubic };

// A part of the resized image, in its pixels.
struct Window {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

// The resized image, whole.
[[nodiscard]] Image resize(const Image& image, int width, int height, Filter filter);

// The pixels of resize(image, width, height, filter) inside window, without computing or storing the others.
[[nodiscard]] Image resize(const Image& image, int width, int height, Filter filter, const Window& window);

}  // namespace driftd::embed
