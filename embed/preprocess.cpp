#include "embed/preprocess.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "core/error.hpp"

namespace driftd::embed {
namespace {

// torchvision's Resize(short_side) followed by CenterCrop, with its rounding: the longer side down, the offsets half to
// even.
Image resize_short_side(const Image& image, const Preprocess& spec) {
  const bool portrait = image.width <= image.height;
  const std::int64_t shorter = portrait ? image.width : image.height;
  const std::int64_t longer = portrait ? image.height : image.width;
  const int scaled = static_cast<int>(spec.short_side * longer / shorter);
  const int width = portrait ? spec.short_side : scaled;
  const int height = portrait ? scaled : spec.short_side;
  const Window window{.left = static_cast<int>(std::nearbyint((width - spec.width) / 2.0)),
                      .top = static_cast<int>(std::nearbyint((height - spec.height) / 2.0)),
                      .width = spec.width,
                      .height = spec.height};
  return resize(image, width, height, spec.filter, window);
}

}  // namespace

int Preprocess::min_decode_side() const {
  const int side = mode == Mode::short_side ? short_side : std::max(height, width);
  return (7 * side + 4) / 5;  // rounded up
}

Image fit(const Image& image, const Preprocess& spec) {
  return spec.mode == Preprocess::Mode::short_side ? resize_short_side(image, spec)
                                                   : resize(image, spec.width, spec.height, spec.filter);
}

Matrix normalise(std::span<const Image> images, const Preprocess& spec) {
  const auto fits = [&](const Image& image) { return image.width == spec.width && image.height == spec.height; };
  if (!std::ranges::all_of(images, fits))
    throw Error{Errc::invalid_argument, "an image does not have the size that the model reads"};
  Matrix tensors{images.size(), spec.tensor_size()};
  const std::size_t pixels = tensors.cols / 3;
  for (std::size_t c = 0; c < 3; ++c) {
    // One look-up in place of a conversion and two divisions, in the order of operations of ToTensor and Normalize.
    std::array<float, 256> normalised;
    for (int v = 0; v < 256; ++v) normalised[v] = (static_cast<float>(v) / 255.0F - spec.mean[c]) / spec.std[c];
    const float* value_of = normalised.data();
    for (std::size_t n = 0; n < images.size(); ++n) {
      const std::uint8_t* from = images[n].rgb.data() + c;
      float* to = tensors.row(n).data() + c * pixels;
      for (std::size_t i = 0; i < pixels; ++i) to[i] = value_of[from[3 * i]];
    }
  }
  return tensors;
}

}  // namespace driftd::embed
