// Any processor: vectors of four, which the compiler maps to what there is.
#include "index/scan_block.hpp"
#include "index/scan_kernel.hpp"

namespace driftd::index {
namespace {

struct Portable {
  static void keep(auto&) {}
  static void widen(auto& out, const auto* at) { widen_each(out, at); }
};

template <int kRows, int kQueries>
void portable(std::span<const float* const> rows, const float* queries, std::size_t stride, std::size_t dimension,
              float* out) {
  distances<Portable, Floats4, kRows, kQueries>(Plain{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
void portable_halves(std::span<const std::uint16_t* const> rows, const float* queries, std::size_t stride,
                     std::size_t dimension, float* out) {
  distances<Portable, Floats4, kRows, kQueries>(Halves<Portable>{}, rows, queries, stride, dimension, out);
}
template <int kRows, int kQueries>
void portable_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* queries,
                    std::size_t stride, std::size_t dimension, float* out) {
  distances<Portable, Floats4, kRows, kQueries>(Bytes<Portable>{scale}, rows, queries, stride, dimension, out);
}
void portable_decode_halves(std::span<const std::uint16_t* const> rows, const float* queries, std::size_t stride,
                            std::size_t dimension, float* out, float* decoded) {
  distances<Portable, Floats4, 1, 8>(Halves<Portable>{}, rows, queries, stride, dimension, out, Write{decoded, stride});
}
void portable_decode_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* queries,
                           std::size_t stride, std::size_t dimension, float* out, float* decoded) {
  distances<Portable, Floats4, 1, 8>(Bytes<Portable>{scale}, rows, queries, stride, dimension, out,
                                     Write{decoded, stride});
}

constexpr ScanKernel kKernels[] = {
    {"portable",
     {portable<1, 1>, portable<1, 2>, portable<2, 4>, portable<1, 8>},
     {portable_halves<1, 1>, portable_halves<1, 2>, portable_halves<2, 4>, portable_halves<1, 8>},
     {portable_bytes<1, 1>, portable_bytes<1, 2>, portable_bytes<2, 4>, portable_bytes<1, 8>},
     portable_decode_halves,
     portable_decode_bytes},
};

}  // namespace

std::span<const ScanKernel> scan_kernels() {
  return kKernels;
}

}  // namespace driftd::index
