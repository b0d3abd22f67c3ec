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
template <int kRows, int kQueries>
[[gnu::target("avx512f")]] void avx512(std::span<const float* const> rows, const float* queries, std::size_t stride, std::size_t dimension,
            float* out) {
  distances<X86, Floats16, kRows, kQueries>(Plain{}, rows, queries, stride, dimension, out);
}
[[gnu::target("avx512f")]] void avx512_to_halves(std::span<const std::uint16_t* const> rows, const float* query, std::size_t dimension,
                      float* out) {
  distances<X86, Floats16, 1, 1>(Halves<X86>{}, rows, query, 0, dimension, out);
}
[[gnu::target("avx512f")]] void avx512_to_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* query,
                     std::size_t dimension, float* out) {
  distances<X86, Floats16, 1, 1>(Bytes<X86>{scale}, rows, query, 0, dimension, out);
}
[[gnu::target("avx512f")]] void avx512_halves(const std::uint16_t* halves, std::size_t dimension, float* values) {
  decode<Floats16>(Halves<X86>{}, halves, dimension, values);
}
[[gnu::target("avx512f")]] void avx512_bytes(const std::uint8_t* codes, const Scale& scale, std::size_t dimension, float* values) {
  decode<Floats16>(Bytes<X86>{scale}, codes, dimension, values);
}

template <int kRows, int kQueries>
[[gnu::target("avx2,fma")]] void avx2(std::span<const float* const> rows, const float* queries, std::size_t stride, std::size_t dimension,
            float* out) {
  distances<X86, Floats8, kRows, kQueries>(Plain{}, rows, queries, stride, dimension, out);
}
[[gnu::target("avx2,fma")]] void avx2_to_halves(std::span<const std::uint16_t* const> rows, const float* query, std::size_t dimension,
                      float* out) {
  distances<X86, Floats8, 1, 1>(Halves<X86>{}, rows, query, 0, dimension, out);
}
[[gnu::target("avx2,fma")]] void avx2_to_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* query,
                     std::size_t dimension, float* out) {
  distances<X86, Floats8, 1, 1>(Bytes<X86>{scale}, rows, query, 0, dimension, out);
}
[[gnu::target("avx2,fma")]] void avx2_halves(const std::uint16_t* halves, std::size_t dimension, float* values) {
  decode<Floats8>(Halves<X86>{}, halves, dimension, values);
}
[[gnu::target("avx2,fma")]] void avx2_bytes(const std::uint8_t* codes, const Scale& scale, std::size_t dimension, float* values) {
  decode<Floats8>(Bytes<X86>{scale}, codes, dimension, values);
}

template <int kRows, int kQueries>
void sse2(std::span<const float* const> rows, const float* queries, std::size_t stride, std::size_t dimension,
            float* out) {
  distances<X86, Floats4, kRows, kQueries>(Plain{}, rows, queries, stride, dimension, out);
}
void sse2_to_halves(std::span<const std::uint16_t* const> rows, const float* query, std::size_t dimension,
                      float* out) {
  distances<X86, Floats4, 1, 1>(Halves<X86>{}, rows, query, 0, dimension, out);
}
void sse2_to_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* query,
                     std::size_t dimension, float* out) {
  distances<X86, Floats4, 1, 1>(Bytes<X86>{scale}, rows, query, 0, dimension, out);
}
void sse2_halves(const std::uint16_t* halves, std::size_t dimension, float* values) {
  decode<Floats4>(Halves<X86>{}, halves, dimension, values);
}
void sse2_bytes(const std::uint8_t* codes, const Scale& scale, std::size_t dimension, float* values) {
  decode<Floats4>(Bytes<X86>{scale}, codes, dimension, values);
}

constexpr ScanKernel kKernels[] = {
    {"avx512",
     {avx512<1, 1>, avx512<1, 2>, avx512<2, 4>, avx512<2, 8>},
     avx512_to_halves,
     avx512_to_bytes,
     avx512_halves,
     avx512_bytes},
    {"avx2", {avx2<1, 1>, avx2<1, 2>, avx2<2, 4>, avx2<1, 8>}, avx2_to_halves, avx2_to_bytes, avx2_halves, avx2_bytes},
    {"sse2", {sse2<1, 1>, sse2<1, 2>, sse2<2, 4>, sse2<1, 8>}, sse2_to_halves, sse2_to_bytes, sse2_halves, sse2_bytes},
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
