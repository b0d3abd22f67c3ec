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

std::uint64_t bit(std::size_t query, bool set) {
  return std::uint64_t{set} << query;
}

std::uint64_t portable(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* query_codes,
                       std::size_t count, std::size_t quads, float* squared, std::uint16_t* close) {
  std::uint64_t some = 0;
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
      const float distance =
          (rows.norm[r] + query.norm) - (query.twice_scale * rows.scale[r]) * static_cast<float>(dot);
      const float reach = query.limit + rows.error[r];
      squared[q * kSketchRows + r] = distance;
      if (distance <= reach * reach) close[q] = static_cast<std::uint16_t>(close[q] | 1U << r);
    }
    some |= bit(q, close[q] != 0);
  }
  return some;
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

  // Whether a row is of interest; only then there are distances.
  DRIFTD_VNNI [[gnu::always_inline]] bool operator()(const SketchQuery& query, __m512i dots, float* squared,
                                                     std::uint16_t* close) const {
    const auto factor = _mm512_mul_ps(_mm512_set1_ps(query.twice_scale), scale);
    const auto apart = _mm512_mul_ps(factor, __builtin_convertvector(reinterpret_cast<__v16si>(dots), __m512));
    const auto distance = _mm512_sub_ps(_mm512_add_ps(norm, _mm512_set1_ps(query.norm)), apart);
    const auto reach = _mm512_add_ps(_mm512_set1_ps(query.limit), error);
    *close = _mm512_cmp_ps_mask(distance, _mm512_mul_ps(reach, reach), _CMP_LE_OQ);
    if (*close == 0) [[likely]]
      return false;
    _mm512_storeu_ps(squared, distance);
    return true;
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

template <bool kFetch, std::size_t kQueries>
DRIFTD_VNNI std::uint64_t vnni(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* codes,
                               std::size_t quads, float* squared, std::uint16_t* close) {
  __m512i dots[kQueries];
#pragma GCC unroll 8
  for (std::size_t q = 0; q < kQueries; ++q) dots[q] = _mm512_set1_epi32(-queries[q].bias);
  for (std::size_t j = 0; j < quads; ++j) {
    if constexpr (kFetch) fetch<1>(rows.codes + j * 64);
    const auto values = _mm512_loadu_si512(rows.codes + j * 64);
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kQueries; ++q)
      dots[q] = _mm512_dpbusd_epi32(dots[q], values, _mm512_set1_epi32(codes[q * quads + j]));
  }
  const Finish finish{rows};
  std::uint64_t some = 0;
#pragma GCC unroll 8
  for (std::size_t q = 0; q < kQueries; ++q)
    some |= bit(q, finish(queries[q], dots[q], squared + q * kSketchRows, close + q));
  return some;
}

template <bool kFetch>
DRIFTD_VNNI std::uint64_t all_vnni(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* codes,
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

// A tile has 16 rows of 64 bytes: sixteen quads of sixteen rows of a sketch, or those of sixteen queries, or as many
// sums. Tiles 0 to 3 are sums, 4 rows, 5 queries; 6 and 7 rows and queries for what is left of the quads.
constexpr std::size_t kTileQuads = 16;
constexpr std::size_t kTileSums = kSketchRows * kSketchTile;

DRIFTD_AMX void begin_amx(std::size_t quads) {
  struct alignas(64) {
    std::uint8_t palette = 1;
    std::uint8_t start = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } tiles;
  if (const auto left = quads % kTileQuads; left != 0) {
    tiles.rows[6] = static_cast<std::uint8_t>(left);
    tiles.bytes[7] = static_cast<std::uint16_t>(left * 4);
  }
  asm volatile("ldtilecfg %0" : : "m"(tiles));
}

DRIFTD_AMX void end_amx() {
  _tile_release();
}

// Sums of products of the rows and kTiles times sixteen queries: each tile of rows is read once for all.
template <int kTiles>
DRIFTD_AMX void multiply(const std::uint8_t* rows, const std::int32_t* codes, std::size_t quads, std::int32_t* sums) {
  const auto bytes = quads * 4;  // of a query
  const auto next = kSketchTile * quads;
  asm volatile("" : : : "memory");  // the compiler does not know that tiles are read from memory and written
  _tile_zero(0);
  if constexpr (kTiles > 1) _tile_zero(1);
  if constexpr (kTiles > 2) _tile_zero(2);
  if constexpr (kTiles > 3) _tile_zero(3);
  std::size_t j = 0;
#define DRIFTD_MULTIPLY(sum, row_tile, query_tile)            \
  if constexpr (kTiles > (sum)) {                             \
    _tile_loadd(query_tile, codes + j + (sum) * next, bytes); \
    _tile_dpbsud(sum, query_tile, row_tile);                  \
  }
  for (; j + kTileQuads <= quads; j += kTileQuads) {
    fetch<16>(rows + j * 64);
    _tile_loadd(4, rows + j * 64, 64);
    DRIFTD_MULTIPLY(0, 4, 5)
    DRIFTD_MULTIPLY(1, 4, 5)
    DRIFTD_MULTIPLY(2, 4, 5)
    DRIFTD_MULTIPLY(3, 4, 5)
  }
  if (j < quads) {
    _tile_loadd(6, rows + j * 64, 64);
    DRIFTD_MULTIPLY(0, 6, 7)
    DRIFTD_MULTIPLY(1, 6, 7)
    DRIFTD_MULTIPLY(2, 6, 7)
    DRIFTD_MULTIPLY(3, 6, 7)
  }
#undef DRIFTD_MULTIPLY
  _tile_stored(0, sums, 64);
  if constexpr (kTiles > 1) _tile_stored(1, sums + kTileSums, 64);
  if constexpr (kTiles > 2) _tile_stored(2, sums + 2 * kTileSums, 64);
  if constexpr (kTiles > 3) _tile_stored(3, sums + 3 * kTileSums, 64);
  asm volatile("" : : : "memory");
}

DRIFTD_AMX std::uint64_t amx(const SketchBlock& rows, const SketchQuery* queries, const std::int32_t* codes,
                             std::size_t count, std::size_t quads, float* squared, std::uint16_t* close) {
  constexpr std::size_t kFew = 4;  // as fast in registers
  if (count <= kFew) return all_vnni<true>(rows, queries, codes, count, quads, squared, close);
  static constexpr decltype(&multiply<1>) kMultiply[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>};
  auto* sums = reinterpret_cast<std::int32_t*>(squared);  // each line of them gives way to distances
  kMultiply[(count - 1) / kSketchTile](rows.codes, codes, quads, sums);
  const Finish finish{rows};
  std::uint64_t some = 0;
  for (std::size_t q = 0; q < count; ++q) {
    const auto dots = _mm512_sub_epi32(_mm512_load_si512(sums + q * kSketchRows), _mm512_set1_epi32(queries[q].bias));
    some |= bit(q, finish(queries[q], dots, squared + q * kSketchRows, close + q));
  }
  return some;
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
    if (amx_is_ours()) kernels.push_back({"amx", true, kSketchQueries, amx, begin_amx, end_amx});
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
