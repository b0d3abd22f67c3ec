#include "index/sketch_kernel.hpp"

#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace driftd::index {
namespace {

void portable(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* query_codes, std::size_t count,
              std::size_t quads, float* squared, std::uint16_t* close) {
  for (std::size_t q = 0; q < count; ++q) {
    const auto& query = queries[q];
    close[q] = 0;
    for (std::size_t r = 0; r < kSketchRows; ++r) {
      std::int32_t dot = -query.bias;
      for (std::size_t j = 0; j < quads; ++j) {
        std::int8_t values[4];
        std::memcpy(values, query_codes + q * quads + j, sizeof(values));
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
#define DRIFTD_AMX [[gnu::target("avx512f,avx512vnni,amx-tile,amx-int8")]]

// Sums of products into distances.
struct Finish {
  __m512 scale;
  __m512 norm;
  __m512 error;

  DRIFTD_VNNI explicit Finish(const SketchBlock& rows)
      : scale{_mm512_loadu_ps(rows.scale)}, norm{_mm512_loadu_ps(rows.norm)}, error{_mm512_loadu_ps(rows.error)} {}

  DRIFTD_VNNI [[gnu::always_inline]] void operator()(const SketchQuery& query, __m512i dots, float* squared,
                                                     std::uint16_t* close) const {
    const auto factor = _mm512_mul_ps(_mm512_set1_ps(2 * query.scale), scale);
    const auto apart = _mm512_mul_ps(factor, __builtin_convertvector(reinterpret_cast<__v16si>(dots), __m512));
    const auto distance = _mm512_sub_ps(_mm512_add_ps(norm, _mm512_set1_ps(query.norm)), apart);
    const auto reach = _mm512_add_ps(_mm512_set1_ps(query.limit), error);
    _mm512_storeu_ps(squared, distance);
    *close = _mm512_cmp_ps_mask(distance, _mm512_mul_ps(reach, reach), _CMP_LE_OQ);
  }
};

// Bytes of the next blocks that are fetched while these are compared. Processors with AMX read 20 to 35% more from
// memory so; those without were not faster.
constexpr std::size_t kAhead = 8192;

// One instruction for each line of 64 bytes; what lies behind the last block is not touched.
template <std::size_t kLines>
[[gnu::always_inline]] inline void fetch(const std::uint8_t* codes) {
#pragma GCC unroll 16
  for (std::size_t line = 0; line < kLines; ++line)
    _mm_prefetch(reinterpret_cast<const char*>(codes + kAhead + line * 64), _MM_HINT_T1);
}

template <bool kFetch, int kQueries>
DRIFTD_VNNI void vnni(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* codes, std::size_t quads,
                      float* squared, std::uint16_t* close) {
  __m512i dots[kQueries];
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) dots[q] = _mm512_set1_epi32(-queries[q].bias);
  for (std::size_t j = 0; j < quads; ++j) {
    if constexpr (kFetch) fetch<1>(rows.codes + j * 64);
    const auto values = _mm512_loadu_si512(rows.codes + j * 64);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q)
      dots[q] = _mm512_dpbusd_epi32(dots[q], values, _mm512_set1_epi32(codes[static_cast<std::size_t>(q) * quads + j]));
  }
  const Finish finish{rows};
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) finish(queries[q], dots[q], squared + q * kSketchRows, close + q);
}

template <bool kFetch>
DRIFTD_VNNI void all_vnni(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* codes,
                          std::size_t count, std::size_t quads, float* squared, std::uint16_t* close) {
  switch (count) {
    case 1:
      return vnni<kFetch, 1>(rows, queries, codes, quads, squared, close);
    case 2:
      return vnni<kFetch, 2>(rows, queries, codes, quads, squared, close);
    case 3:
      return vnni<kFetch, 3>(rows, queries, codes, quads, squared, close);
    case 4:
      return vnni<kFetch, 4>(rows, queries, codes, quads, squared, close);
    case 5:
      return vnni<kFetch, 5>(rows, queries, codes, quads, squared, close);
    case 6:
      return vnni<kFetch, 6>(rows, queries, codes, quads, squared, close);
    case 7:
      return vnni<kFetch, 7>(rows, queries, codes, quads, squared, close);
    default:
      return vnni<kFetch, 8>(rows, queries, codes, quads, squared, close);
  }
}

// A tile has 16 rows of 64 bytes: sixteen quads of sixteen rows of a sketch, or those of sixteen queries. Tiles 3 and 4
// are for what is left of the quads.
constexpr std::size_t kTileQuads = 16;

DRIFTD_AMX void begin_amx(std::size_t quads) {
  struct alignas(64) {
    std::uint8_t palette = 1;
    std::uint8_t start = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t bytes[16] = {64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16};
  } tiles;
  if (const auto left = quads % kTileQuads; left != 0) {
    tiles.bytes[3] = static_cast<std::uint16_t>(left * 4);
    tiles.rows[4] = static_cast<std::uint8_t>(left);
  }
  asm volatile("ldtilecfg %0" : : "m"(tiles));
}

DRIFTD_AMX void end_amx() {
  _tile_release();
}

DRIFTD_AMX void amx(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* codes, std::size_t count,
                    std::size_t quads, float* squared, std::uint16_t* close) {
  constexpr std::size_t kFew = 4;  // as fast in registers
  if (count <= kFew) return all_vnni<true>(rows, queries, codes, count, quads, squared, close);
  std::int32_t dots[kSketchQueries][kSketchRows];
  asm volatile("" : : "r"(dots) : "memory");  // the compiler does not know that tiles are read from memory and written
  _tile_zero(0);
  std::size_t j = 0;
  for (; j + kTileQuads <= quads; j += kTileQuads) {
    fetch<16>(rows.codes + j * 64);
    _tile_loadd(1, codes + j, quads * 4);
    _tile_loadd(2, rows.codes + j * 64, 64);
    _tile_dpbsud(0, 1, 2);
  }
  if (j < quads) {
    _tile_loadd(3, codes + j, quads * 4);
    _tile_loadd(4, rows.codes + j * 64, 64);
    _tile_dpbsud(0, 3, 4);
  }
  _tile_stored(0, dots, 64);
  asm volatile("" : : : "memory");
  const Finish finish{rows};
  for (std::size_t q = 0; q < count; ++q) {
    const auto sums = _mm512_sub_epi32(_mm512_loadu_si512(dots[q]), _mm512_set1_epi32(queries[q].bias));
    finish(queries[q], sums, squared + q * kSketchRows, close + q);
  }
}

// Linux hands tiles out to programs that ask for them.
bool amx_is_ours() {
  constexpr long kRequest = 0x1023;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h, which older systems lack
  constexpr long kTileData = 18;
  return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8") &&
         ::syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
#endif

std::vector<SketchKernel> usable() {
  std::vector<SketchKernel> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni")) {
    if (amx_is_ours()) kernels.push_back({"amx", true, 16, amx, begin_amx, end_amx});
    kernels.push_back({"avx512vnni", true, 8, all_vnni<false>, nullptr, nullptr});
  }
#endif
  kernels.push_back({"portable", false, 8, portable, nullptr, nullptr});
  return kernels;
}

}  // namespace

std::span<const SketchKernel> sketch_kernels() {
  static const auto kernels = usable();
  return kernels;
}

}  // namespace driftd::index
