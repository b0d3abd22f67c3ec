// x86-64: AVX-512, AVX2 or, where neither is, the SSE2 that every such processor has.
#include "index/scan_block.hpp"
#include "index/scan_kernel.hpp"

namespace driftd::index {
namespace {

struct X86 {
  [[gnu::always_inline]] static void keep(auto& vector) { asm("" : "+v"(vector)); }
};

// Rows and queries are chosen so that accumulators, rows and one query fit the registers: 32 in AVX-512, else 16.
template <int kRows, int kQueries>
[[gnu::target("avx512f")]] void avx512(std::span<const float* const> rows, const float* queries, std::size_t stride,
                                       std::size_t dimension, float* out) {
  distances<X86, Floats16, kRows, kQueries>(rows, queries, stride, dimension, out);
}

template <int kRows, int kQueries>
[[gnu::target("avx2,fma")]] void avx2(std::span<const float* const> rows, const float* queries, std::size_t stride,
                                      std::size_t dimension, float* out) {
  distances<X86, Floats8, kRows, kQueries>(rows, queries, stride, dimension, out);
}

template <int kRows, int kQueries>
void sse2(std::span<const float* const> rows, const float* queries, std::size_t stride, std::size_t dimension,
          float* out) {
  distances<X86, Floats4, kRows, kQueries>(rows, queries, stride, dimension, out);
}

[[gnu::target("avx512f")]] void decode_avx512(const std::uint8_t* codes, const float* offset, const float* step,
                                              std::size_t dimension, float* values) {
  decode(codes, offset, step, dimension, values);
}
[[gnu::target("avx2,fma")]] void decode_avx2(const std::uint8_t* codes, const float* offset, const float* step,
                                             std::size_t dimension, float* values) {
  decode(codes, offset, step, dimension, values);
}
void decode_sse2(const std::uint8_t* codes, const float* offset, const float* step, std::size_t dimension,
                 float* values) {
  decode(codes, offset, step, dimension, values);
}

constexpr ScanKernel kKernels[] = {
    {"avx512", {avx512<1, 1>, avx512<1, 2>, avx512<2, 4>, avx512<2, 8>}, decode_avx512},
    {"avx2", {avx2<1, 1>, avx2<1, 2>, avx2<2, 4>, avx2<1, 8>}, decode_avx2},
    {"sse2", {sse2<1, 1>, sse2<1, 2>, sse2<2, 4>, sse2<1, 8>}, decode_sse2},
};

std::size_t unusable() {
  if (__builtin_cpu_supports("avx512f")) return 0;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 2;
}

}  // namespace

std::span<const ScanKernel> scan_kernels() {
  static const auto skipped = unusable();
  return std::span{kKernels}.subspan(skipped);
}

}  // namespace driftd::index
