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

std::int32_t product(const std::uint8_t* row, const std::int32_t* query, std::size_t quads) {
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < quads; ++j) {
    std::int8_t values[4];
    std::memcpy(values, query + j, sizeof(values));
    const auto* codes = row + j * kSketchRows * 4;
    for (std::size_t i = 0; i < 4; ++i) sum += std::int32_t{codes[i]} * values[i];
  }
  return sum;
}

std::uint64_t portable(const SketchBlock& rows, const SketchQuery* queries, std::size_t count, std::size_t fine,
                       const std::int32_t* codes, std::size_t quads, float* squared, std::uint16_t* close) {
  std::uint64_t some = 0;
  for (std::size_t q = 0; q < count; ++q) {
    const auto& query = queries[q];
    close[q] = 0;
    for (std::size_t r = 0; r < kSketchRows; ++r) {
      const auto apart = [&](const SketchQuery::Codes& coded, std::size_t row_of_codes) {
        const auto dot = product(rows.codes + r * 4, codes + row_of_codes * quads, quads) - coded.bias;
        return (coded.twice_scale * rows.scale[r]) * static_cast<float>(dot);
      };
      float distance = (rows.norm[r] + query.norm) - apart(query.first, q);
      if (q < fine) distance -= apart(query.rest, count + q);
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

// Twice the product of sixteen rows and a query's codes.
DRIFTD_VNNI [[gnu::always_inline]] inline void product(const SketchQuery::Codes& codes, const std::int32_t* sums,
                                                       const float* scales, __m512& out) {
  const auto dots = _mm512_sub_epi32(_mm512_load_si512(sums), _mm512_set1_epi32(codes.bias));
  const auto factor = _mm512_mul_ps(_mm512_set1_ps(codes.twice_scale), _mm512_loadu_ps(scales));
  out = _mm512_mul_ps(factor, __builtin_convertvector(reinterpret_cast<__v16si>(dots), __m512));
}

// Sums of products, a line for each row of codes, into distances in their place.
DRIFTD_VNNI std::uint64_t finish(const SketchBlock& rows, const SketchQuery* queries, std::size_t count,
                                 std::size_t fine, float* squared, std::uint16_t* close) {
  const auto norm = _mm512_loadu_ps(rows.norm);
  const auto error = _mm512_loadu_ps(rows.error);
  const auto* sums = reinterpret_cast<const std::int32_t*>(squared);
  std::uint64_t some = 0;
  for (std::size_t q = 0; q < count; ++q) {
    const auto& query = queries[q];
    __m512 apart;
    product(query.first, sums + q * kSketchRows, rows.scale, apart);
    auto distance = _mm512_sub_ps(_mm512_add_ps(norm, _mm512_set1_ps(query.norm)), apart);
    if (q < fine) {
      product(query.rest, sums + (count + q) * kSketchRows, rows.scale, apart);
      distance = _mm512_sub_ps(distance, apart);
    }
    const auto reach = _mm512_add_ps(_mm512_set1_ps(query.limit), error);
    close[q] = _mm512_cmp_ps_mask(distance, _mm512_mul_ps(reach, reach), _CMP_LE_OQ);
    if (close[q] == 0) [[likely]]
      continue;
    _mm512_store_ps(squared + q * kSketchRows, distance);
    some |= bit(q, true);
  }
  return some;
}

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

template <bool kFetch, std::size_t kCodes>
DRIFTD_VNNI void vnni(const std::uint8_t* rows, const std::int32_t* codes, std::size_t quads, std::int32_t* sums) {
  __m512i dots[kCodes] = {};
  for (std::size_t j = 0; j < quads; ++j) {
    if constexpr (kFetch) fetch<1>(rows + j * 64);
    const auto values = _mm512_loadu_si512(rows + j * 64);
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCodes; ++q)
      dots[q] = _mm512_dpbusd_epi32(dots[q], values, _mm512_set1_epi32(codes[q * quads + j]));
  }
#pragma GCC unroll 8
  for (std::size_t q = 0; q < kCodes; ++q) _mm512_store_si512(sums + q * kSketchRows, dots[q]);
}

template <bool kFetch>
DRIFTD_VNNI std::uint64_t all_vnni(const SketchBlock& rows, const SketchQuery* queries, std::size_t count,
                                   std::size_t fine, const std::int32_t* codes, std::size_t quads, float* squared,
                                   std::uint16_t* close) {
  static constexpr decltype(&vnni<kFetch, 1>) kMultiply[] = {vnni<kFetch, 1>, vnni<kFetch, 2>, vnni<kFetch, 3>,
                                                             vnni<kFetch, 4>, vnni<kFetch, 5>, vnni<kFetch, 6>,
                                                             vnni<kFetch, 7>, vnni<kFetch, 8>};
  kMultiply[count + fine - 1](rows.codes, codes, quads, reinterpret_cast<std::int32_t*>(squared));
  return finish(rows, queries, count, fine, squared, close);
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

DRIFTD_AMX std::uint64_t amx(const SketchBlock& rows, const SketchQuery* queries, std::size_t count, std::size_t fine,
                             const std::int32_t* codes, std::size_t quads, float* squared, std::uint16_t* close) {
  constexpr std::size_t kFew = 4;  // as fast in registers
  if (count + fine <= kFew) return all_vnni<true>(rows, queries, count, fine, codes, quads, squared, close);
  static constexpr decltype(&multiply<1>) kMultiply[] = {multiply<1>, multiply<2>, multiply<3>, multiply<4>};
  auto* sums = reinterpret_cast<std::int32_t*>(squared);
  kMultiply[(count + fine - 1) / kSketchTile](rows.codes, codes, quads, sums);
  return finish(rows, queries, count, fine, squared, close);
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
