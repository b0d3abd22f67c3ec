// Simple properties of an image that tell a person why it is unusual: darker, flatter, blurrier, smaller.
//
// Thread-safe: a pure function. Cost: 0.03 ms for 224 x 224 and 0.2 ms for 640 x 480 with AVX-512, 0.06 and 0.35 with
// AVX2. Measured on the decoded image reduced to at most 256 pixels on its longer side, so that they compare between
// cameras.
#pragma once

#include <array>
#include <string_view>

#include "embed/decode.hpp"

namespace driftd::embed {

struct Properties {
  double brightness = 0;  // mean luma (BT.601), 0 to 1
  double contrast = 0;    // standard deviation of luma, 0 to 0.5
  double sharpness = 0;   // standard deviation of the Laplacian of luma, 0 upward
  double saturation = 0;  // mean HSV saturation, 0 to 1
  int width = 0;          // of the original, pixels
  int height = 0;
  int jpeg_quality = 100;  // 1 to 100; 100 for other formats

  [[nodiscard]] double aspect() const { return height == 0 ? 1 : static_cast<double>(width) / height; }
};

// The properties by name, in one order, for those who treat them alike.
inline constexpr std::array<std::string_view, 8> kPropertyNames{"brightness", "contrast", "sharpness", "saturation",
                                                                "width",      "height",   "aspect",    "jpeg_quality"};
[[nodiscard]] std::array<float, kPropertyNames.size()> values_of(const Properties& properties);

[[nodiscard]] Properties measure_properties(const Decoded& decoded);

}  // namespace driftd::embed
