// From pixels to what the network reads: resize and centre crop. What follows, scaling and subtracting the mean, is the
// network's first layer: whatever waits for it waits as bytes, and is read as bytes.
//
// Thread-safe: pure functions. Cost of 224 x 224: 0.5 ms from 256 x 256, 1.3 ms from 640 x 480.
#pragma once

#include <cstddef>

#include "embed/image.hpp"
#include "embed/resize.hpp"

namespace driftd::embed {

struct Preprocess {
  enum class Mode {
    stretch,     // the whole image is resized to height x width; nothing is cut off
    short_side,  // the shorter side is resized to short_side, then the centre height x width is cut out
  };
  Mode mode = Mode::stretch;
  int short_side = 256;  // used by Mode::short_side
  int height = 224;
  int width = 224;
  Filter filter = Filter::bilinear;

  [[nodiscard]] std::size_t bytes() const {  // of a fitted image
    return 3U * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }

  // The smallest shorter side that a decoder may deliver: 1.4 times what is resized to. The means of blocks that it
  // delivers are then resized with antialiasing, which on photographs changes embeddings by less than saving the
  // result as a JPEG of quality 92 (DECISIONS, 44). Goes into DecodeOptions::min_side.
  [[nodiscard]] int min_decode_side() const;
};

// spec.width x spec.height pixels. In Mode::short_side the crop must fit: short_side >= height and width; else throws
// Error{invalid_argument}.
[[nodiscard]] Image fit(const Image& image, const Preprocess& spec);

}  // namespace driftd::embed
