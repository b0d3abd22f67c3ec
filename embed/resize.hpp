// Antialiased resizing that agrees with Pillow's Image.resize, the resize that most training pipelines use: filter support grows
// with the reduction, two passes (horizontal first), 8-bit result after each. OpenCV's resize does not antialias; a model trained
// with one and served with the other sees every image as slightly drifted.
//
// Thread-safe: a pure function. Cost: O(output pixels x filter support). Differs from Pillow by at most 1 of 255.
// Throws Error{invalid_argument} when a target side is below 1.
#pragma once

#include <string_view>

#include "embed/image.hpp"

namespace driftd::embed {

enum class Filter { bilinear, bicubic };

[[nodiscard]] Image resize(const Image& image, int width, int height, Filter filter);

}  // namespace driftd::embed
