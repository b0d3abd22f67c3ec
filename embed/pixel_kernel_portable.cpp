// Any processor: what the compiler makes of the loops.
#include "embed/pixel_loops.hpp"

namespace driftd::embed {
namespace {

void along(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out) {
  loops::along(rows, left, axis, out);
}
void across(const PixelRows& rows, int top, const ResampleAxis& axis, std::uint8_t* out) {
  loops::across(rows, top, axis, out);
}
Image blocks(const Image& image, int block) {
  return loops::blocks(image, block);
}
PixelSums sums(const Image& image) {
  return loops::sums(image);
}

constexpr PixelKernel kKernels[] = {{"portable", along, across, blocks, sums}};

}  // namespace

std::span<const PixelKernel> pixel_kernels() {
  return kKernels;
}

}  // namespace driftd::embed
