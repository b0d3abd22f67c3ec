// x86-64: AVX-512, AVX2 or, where neither is, the SSE2 that every such processor has.
#include "index/scan_block.hpp"
#include "index/scan_kernel.hpp"

namespace driftd::index {
namespace {

using Ints8 = int __attribute__((vector_size(32)));
using Ints16 = int __attribute__((vector_size(64)));

// In assembler, because this compiler takes a vector of 16-bit floats apart and intrinsics cannot be inlined into the
// kernels' common body.
struct X86 {
  [[gnu::always_inline]] static void keep(auto& vector) { asm("" : "+v"(vector)); }

  [[gnu::always_inline]] static void widen(Floats16& out, const std::uint16_t* at) {
    asm("vcvtph2ps %1, %0" : "=v"(out) : "m"(*reinterpret_cast<const std::uint16_t(*)[16]>(at)));
  }
  [[gnu::always_inline]] static void widen(Floats16& out, const std::uint8_t* at) {
    Ints16 whole;
    asm("vpmovzxbd %1, %0" : "=v"(whole) : "m"(*reinterpret_cast<const std::uint8_t(*)[16]>(at)));
    out = __builtin_convertvector(whole, Floats16);
  }
  [[gnu::always_inline]] static void widen(Floats8& out, const std::uint16_t* at) {
    asm("vcvtph2ps %1, %0" : "=x"(out) : "m"(*reinterpret_cast<const std::uint16_t(*)[8]>(at)));
  }
  [[gnu::always_inline]] static void widen(Floats8& out, const std::uint8_t* at) {
    Ints8 whole;
    asm("vpmovzxbd %1, %0" : "=x"(whole) : "m"(*reinterpret_cast<const std::uint8_t(*)[8]>(at)));
    out = __builtin_convertvector(whole, Floats8);
  }
  [[gnu::always_inline]] static void widen(Floats4& out, const auto* at) { widen_each(out, at); }
};

// Rows and queries are chosen so that accumulators, rows and one query fit the registers: 32 in AVX-512, else 16.
// Bytes come from memory so fast that one row at a time would wait for its own sums.
template <int kRows, int kQueries>
[[gnu::target("avx512f")]] void avx512(std::span<const float* const> rows, const float* queries, std::size_t stride,
                                       std::size_t dimension, float* out) {
  distances<X86, Floats16, kRows, kQueries>(Plain{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
[[gnu::target("avx512f")]] void avx512_halves(std::span<const std::uint16_t* const> rows, const float* queries,
                                              std::size_t stride, std::size_t dimension, float* out) {
  distances<X86, Floats16, kRows, kQueries>(Halves<X86>{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
[[gnu::target("avx512f")]] void avx512_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale,
                                             const float* queries, std::size_t stride, std::size_t dimension,
                                             float* out) {
  distances<X86, Floats16, kRows, kQueries>(Bytes<X86>{scale}, rows, queries, stride, dimension, out);
}
[[gnu::target("avx512f")]] void avx512_decode_halves(std::span<const std::uint16_t* const> rows, const float* queries,
                                                     std::size_t stride, std::size_t dimension, float* out,
                                                     float* decoded) {
  distances<X86, Floats16, 2, 8>(Halves<X86>{}, rows, queries, stride, dimension, out, Write{decoded, stride});
}
[[gnu::target("avx512f")]] void avx512_decode_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale,
                                                    const float* queries, std::size_t stride, std::size_t dimension,
                                                    float* out, float* decoded) {
  distances<X86, Floats16, 2, 8>(Bytes<X86>{scale}, rows, queries, stride, dimension, out, Write{decoded, stride});
}

template <int kRows, int kQueries>
[[gnu::target("avx2,fma")]] void avx2(std::span<const float* const> rows, const float* queries, std::size_t stride,
                                      std::size_t dimension, float* out) {
  distances<X86, Floats8, kRows, kQueries>(Plain{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
[[gnu::target("avx2,fma")]] void avx2_halves(std::span<const std::uint16_t* const> rows, const float* queries,
                                             std::size_t stride, std::size_t dimension, float* out) {
  distances<X86, Floats8, kRows, kQueries>(Halves<X86>{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
[[gnu::target("avx2,fma")]] void avx2_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale,
                                            const float* queries, std::size_t stride, std::size_t dimension,
                                            float* out) {
  distances<X86, Floats8, kRows, kQueries>(Bytes<X86>{scale}, rows, queries, stride, dimension, out);
}
[[gnu::target("avx2,fma")]] void avx2_decode_halves(std::span<const std::uint16_t* const> rows, const float* queries,
                                                    std::size_t stride, std::size_t dimension, float* out,
                                                    float* decoded) {
  distances<X86, Floats8, 1, 8>(Halves<X86>{}, rows, queries, stride, dimension, out, Write{decoded, stride});
}
[[gnu::target("avx2,fma")]] void avx2_decode_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale,
                                                   const float* queries, std::size_t stride, std::size_t dimension,
                                                   float* out, float* decoded) {
  distances<X86, Floats8, 1, 8>(Bytes<X86>{scale}, rows, queries, stride, dimension, out, Write{decoded, stride});
}

template <int kRows, int kQueries>
void sse2(std::span<const float* const> rows, const float* queries, std::size_t stride, std::size_t dimension,
          float* out) {
  distances<X86, Floats4, kRows, kQueries>(Plain{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
void sse2_halves(std::span<const std::uint16_t* const> rows, const float* queries, std::size_t stride,
                 std::size_t dimension, float* out) {
  distances<X86, Floats4, kRows, kQueries>(Halves<X86>{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
void sse2_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* queries, std::size_t stride,
                std::size_t dimension, float* out) {
  distances<X86, Floats4, kRows, kQueries>(Bytes<X86>{scale}, rows, queries, stride, dimension, out);
}
void sse2_decode_halves(std::span<const std::uint16_t* const> rows, const float* queries, std::size_t stride,
                        std::size_t dimension, float* out, float* decoded) {
  distances<X86, Floats4, 1, 8>(Halves<X86>{}, rows, queries, stride, dimension, out, Write{decoded, stride});
}
void sse2_decode_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* queries,
                       std::size_t stride, std::size_t dimension, float* out, float* decoded) {
  distances<X86, Floats4, 1, 8>(Bytes<X86>{scale}, rows, queries, stride, dimension, out, Write{decoded, stride});
}

constexpr ScanKernel kKernels[] = {
    {"avx512",
     {avx512<1, 1>, avx512<1, 2>, avx512<2, 4>, avx512<2, 8>},
     {avx512_halves<1, 1>, avx512_halves<1, 2>, avx512_halves<2, 4>, avx512_halves<2, 8>},
     {avx512_bytes<4, 1>, avx512_bytes<2, 2>, avx512_bytes<2, 4>, avx512_bytes<2, 8>},
     avx512_decode_halves,
     avx512_decode_bytes},
    {"avx2",
     {avx2<1, 1>, avx2<1, 2>, avx2<2, 4>, avx2<1, 8>},
     {avx2_halves<1, 1>, avx2_halves<1, 2>, avx2_halves<2, 4>, avx2_halves<1, 8>},
     {avx2_bytes<4, 1>, avx2_bytes<2, 2>, avx2_bytes<2, 4>, avx2_bytes<1, 8>},
     avx2_decode_halves,
     avx2_decode_bytes},
    {"sse2",
     {sse2<1, 1>, sse2<1, 2>, sse2<2, 4>, sse2<1, 8>},
     {sse2_halves<1, 1>, sse2_halves<1, 2>, sse2_halves<2, 4>, sse2_halves<1, 8>},
     {sse2_bytes<1, 1>, sse2_bytes<1, 2>, sse2_bytes<2, 4>, sse2_bytes<1, 8>},
     sse2_decode_halves,
     sse2_decode_bytes},
};

std::size_t unusable() {
  if (__builtin_cpu_supports("avx512f")) return 0;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") ? 1 : 2;
}

}  // namespace

std::span<const ScanKernel> scan_kernels() {
  static const auto skipped = unusable();
  return std::span{kKernels}.subspan(skipped);
}

}  // namespace driftd::index
