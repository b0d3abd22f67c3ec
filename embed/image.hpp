// Decoded pixels: 8-bit RGB, interleaved, rows top to bottom, without padding. A plain value.
// Invariant: rgb.size() == 3 * width * height, both at least 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace driftd::embed {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

}  // namespace driftd::embed
