#include "embed/preprocess.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

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

}  // namespace driftd::embed
