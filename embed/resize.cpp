#include "embed/resize.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "embed/codec.hpp"
#include "embed/pixel_kernel.hpp"
#include "embed/resample_axis.hpp"

namespace driftd::embed {
namespace {

// Rows [top, bottom) of image, from column left to right.
PixelRows part_of(const Image& image, int top, int bottom, int left, int right) {
  const std::size_t stride = std::size_t{3} * image.width;
  return {.first = image.rgb.data() + stride * top + std::size_t{3} * left,
          .stride = stride,
          .length = std::size_t{3} * (right - left),
          .count = bottom - top};
}

}  // namespace

Image resize(const Image& image, int width, int height, Filter filter, const Window& window) {
  const bool inside = window.left >= 0 && window.top >= 0 && window.width >= 1 && window.height >= 1 &&
                      window.left <= width - window.width && window.top <= height - window.height;
  if (!inside) {
    throw Error{Errc::invalid_argument, "cannot cut a window of " + std::to_string(window.width) + " x " +
                                            std::to_string(window.height) + " from an image resized to " +
                                            std::to_string(width) + " x " + std::to_string(height)};
  }
  const ResampleAxis columns = resample_axis(image.width, width, filter, window.left, window.width);
  const ResampleAxis rows = resample_axis(image.height, height, filter, window.top, window.height);
  const PixelRows part = part_of(image, rows.begin(), rows.end(), columns.begin(), columns.end());
  const PixelKernel& kernel = pixel_kernels().front();
  Image result = make_image(window.width, window.height);

  // Each pass rounds, so the order shows in the last bit: it is that of Pillow 13, which prefers the cheaper one.
  const bool rows_first = height < image.height && image.height - height > 2 * (image.width - width);
  Image between = rows_first ? make_image(columns.end() - columns.begin(), window.height)
                             : make_image(window.width, rows.end() - rows.begin());
  const PixelRows all = part_of(between, 0, between.height, 0, between.width);
  if (rows_first) {
    kernel.across(part, rows.begin(), rows, between.rgb.data());
    kernel.along(all, columns.begin(), columns, result.rgb.data());
  } else {
    kernel.along(part, columns.begin(), columns, between.rgb.data());
    kernel.across(all, rows.begin(), rows, result.rgb.data());
  }
  return result;
}

Image resize(const Image& image, int width, int height, Filter filter) {
  return resize(image, width, height, filter, {.left = 0, .top = 0, .width = width, .height = height});
}

}  // namespace driftd::embed
