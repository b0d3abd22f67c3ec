// x86-64: AVX-512 with VBMI and VNNI, AVX2 or, where neither is, the SSE2 that every such processor has.
#include <immintrin.h>

#include <algorithm>

#include "embed/pixel_avx512.hpp"
#include "embed/pixel_loops.hpp"

namespace driftd::embed {
namespace {

void along_sse2(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out) {
  loops::along(rows, left, axis, out);
}
void across_sse2(const PixelRows& rows, int top, const ResampleAxis& axis, std::uint8_t* out) {
  loops::across(rows, top, axis, out);
}
Image blocks_sse2(const Image& image, int block) {
  return loops::blocks(image, block);
}
PixelSums sums_sse2(const Image& image) {
  return loops::sums(image);
}

// Red, green, blue and the red of the next pixel in one step. Nothing may follow the last pixel, so it is added by
// bytes.
[[gnu::target("avx2")]] void along_row_avx2(const std::uint8_t* row, std::size_t length, int left,
                                            const ResampleAxis& axis, std::uint8_t* out) {
  const int last = static_cast<int>(length / 3) - 1;
  for (int x = 0; x < axis.size(); ++x, out += 3) {
    const ResampleAxis::Taps taps = axis.at(x);
    const int first = taps.first - left;
    const int wide = std::min(taps.count, last - first);
    const std::uint8_t* pixel = row + std::size_t{3} * first;
    __m128i sums = _mm_set1_epi32(kHalf);
    for (int k = 0; k < wide; ++k, pixel += 3) {
      const __m128i values = _mm_cvtepu8_epi32(_mm_loadu_si32(pixel));
      sums = _mm_add_epi32(sums, _mm_mullo_epi32(values, _mm_set1_epi32(taps.weights[k])));
    }
    if (wide < taps.count) {
      const __m128i values = _mm_setr_epi32(pixel[0], pixel[1], pixel[2], 0);
      sums = _mm_add_epi32(sums, _mm_mullo_epi32(values, _mm_set1_epi32(taps.weights[wide])));
    }
    const __m128i words = _mm_packus_epi32(_mm_srai_epi32(sums, kFractionBits), sums);
    const std::int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    __builtin_memcpy(out, &bytes, 3);
  }
}
void along_avx2(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out) {
  for (int y = 0; y < rows.count; ++y, out += std::size_t{3} * axis.size())
    along_row_avx2(rows.row(y), rows.length, left, axis, out);
}
[[gnu::target("avx2")]] void across_avx2(const PixelRows& rows, int top, const ResampleAxis& axis, std::uint8_t* out) {
  loops::across(rows, top, axis, out);
}
[[gnu::target("avx2")]] Image blocks_avx2(const Image& image, int block) {
  return loops::blocks(image, block);
}
[[gnu::target("avx2")]] PixelSums sums_avx2(const Image& image) {
  return loops::sums(image);
}

// What AVX-512 has no way for is left to AVX2.
void along_avx512(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out) {
  if (!avx512::along(rows, left, axis, out)) along_avx2(rows, left, axis, out);
}
Image blocks_avx512(const Image& image, int block) {
  return block <= avx512::kMostBlock ? avx512::blocks(image, block) : blocks_avx2(image, block);
}

constexpr PixelKernel kKernels[] = {
    {"avx512", along_avx512, avx512::across, blocks_avx512, avx512::sums},
    {"avx2", along_avx2, across_avx2, blocks_avx2, sums_avx2},
    {"sse2", along_sse2, across_sse2, blocks_sse2, sums_sse2},
};

std::size_t unusable() {
  const bool avx512 = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
  return avx512 ? 0 : __builtin_cpu_supports("avx2") ? 1 : 2;
}

}  // namespace

std::span<const PixelKernel> pixel_kernels() {
  static const auto skipped = unusable();
  return std::span{kKernels}.subspan(skipped);
}

}  // namespace driftd::embed
