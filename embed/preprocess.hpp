// From pixels to what the network reads: resize and centre crop, which leaves bytes, then scale to [0, 1], subtract the
// mean and divide by the deviation, which makes them four times as large. Who waits for the network waits as bytes.
//
// Thread-safe: pure functions. Cost of 224 x 224: 0.5 ms from 256 x 256, 1.3 ms from 640 x 480.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "core/matrix.hpp"
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
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};
  std::array<float, 3> std{0.229F, 0.224F, 0.225F};

  [[nodiscard]] std::size_t tensor_size() const {
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

// A row for each fitted image: planes R, G, B (CHW), spec.tensor_size() values. Throws Error{invalid_argument} where an
// image has another size.
[[nodiscard]] Matrix normalise(std::span<const Image> images, const Preprocess& spec);

}  // namespace driftd::embed
