// Kernels (embed/pixel_kernel.hpp) for processors with AVX-512 BW, VL, VBMI and VNNI. On others they end the process.
#pragma once

#include <cstdint>

#include "embed/pixel_kernel.hpp"

namespace driftd::embed::avx512 {

constexpr int kMostBlock = 3;

// False, and nothing done, where 16 values of a row are made of pixels more than 64 bytes apart: a reduction to less
// than a third.
[[nodiscard]] bool along(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out);
void across(const PixelRows& rows, int top, const ResampleAxis& axis, std::uint8_t* out);
[[nodiscard]] Image blocks(const Image& image, int block);  // up to kMostBlock
[[nodiscard]] PixelSums sums(const Image& image);

}  // namespace driftd::embed::avx512
