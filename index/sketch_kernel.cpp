#include "index/sketch_kernel.hpp"

#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace driftd::index {
namespace {

void portable(const SketchBlock& rows, const SketchQuery* queries, std::size_t count, std::size_t quads, float* squared,
              std::uint16_t* close) {
  for (std::size_t q = 0; q < count; ++q) {
    const auto& query = queries[q];
    close[q] = 0;
    for (std::size_t r = 0; r < kSketchRows; ++r) {
      std::int32_t dot = -query.bias;
      for (std::size_t j = 0; j < quads; ++j) {
        std::int8_t values[4];
        std::memcpy(values, query.quads + j, sizeof(values));
        const auto* codes = rows.codes + (j * kSketchRows + r) * 4;
        for (std::size_t i = 0; i < 4; ++i) dot += std::int32_t{codes[i]} * values[i];
      }
      const float distance = (rows.norm[r] + query.norm) - (2 * query.scale * rows.scale[r]) * static_cast<float>(dot);
      const float reach = query.limit + rows.error[r];
      squared[q * kSketchRows + r] = distance;
      if (distance <= reach * reach) close[q] = static_cast<std::uint16_t>(close[q] | 1U << r);
    }
  }
}

#if defined(__x86_64__)
#define DRIFTD_VNNI [[gnu::target("avx512f,avx512vnni")]]

template <int kQueries>
DRIFTD_VNNI void vnni(const SketchBlock& rows, const SketchQuery* queries, std::size_t quads, float* squared,
                      std::uint16_t* close) {
  __m512i dots[kQueries];
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) dots[q] = _mm512_set1_epi32(-queries[q].bias);
  for (std::size_t j = 0; j < quads; ++j) {
    const auto codes = _mm512_loadu_si512(rows.codes + j * 64);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q)
      dots[q] = _mm512_dpbusd_epi32(dots[q], codes, _mm512_set1_epi32(queries[q].quads[j]));
  }
  const auto scale = _mm512_loadu_ps(rows.scale);
  const auto norm = _mm512_loadu_ps(rows.norm);
  const auto error = _mm512_loadu_ps(rows.error);
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    const auto factor = _mm512_mul_ps(_mm512_set1_ps(2 * queries[q].scale), scale);
    const auto apart = _mm512_mul_ps(factor, _mm512_cvtepi32_ps(dots[q]));
    const auto distance = _mm512_sub_ps(_mm512_add_ps(norm, _mm512_set1_ps(queries[q].norm)), apart);
    const auto reach = _mm512_add_ps(_mm512_set1_ps(queries[q].limit), error);
    _mm512_storeu_ps(squared + q * kSketchRows, distance);
    close[q] = _mm512_cmp_ps_mask(distance, _mm512_mul_ps(reach, reach), _CMP_LE_OQ);
  }
}

DRIFTD_VNNI void all_vnni(const SketchBlock& rows, const SketchQuery* queries, std::size_t count, std::size_t quads,
                          float* squared, std::uint16_t* close) {
  switch (count) {
    case 1:
      return vnni<1>(rows, queries, quads, squared, close);
    case 2:
      return vnni<2>(rows, queries, quads, squared, close);
    case 3:
      return vnni<3>(rows, queries, quads, squared, close);
    case 4:
      return vnni<4>(rows, queries, quads, squared, close);
    case 5:
      return vnni<5>(rows, queries, quads, squared, close);
    case 6:
      return vnni<6>(rows, queries, quads, squared, close);
    case 7:
      return vnni<7>(rows, queries, quads, squared, close);
    default:
      return vnni<8>(rows, queries, quads, squared, close);
  }
}
#endif

std::vector<SketchKernel> usable() {
  std::vector<SketchKernel> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"))
    kernels.push_back({"avx512vnni", true, all_vnni});
#endif
  kernels.push_back({"portable", false, portable});
  return kernels;
}

}  // namespace

std::span<const SketchKernel> sketch_kernels() {
  static const auto kernels = usable();
  return kernels;
}

}  // namespace driftd::index
