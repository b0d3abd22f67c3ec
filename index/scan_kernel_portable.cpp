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
void to_halves(std::span<const std::uint16_t* const> rows, const float* query, std::size_t dimension, float* out) {
  distances<Portable, Floats4, 1, 1>(Halves<Portable>{}, rows, query, 0, dimension, out);
}
void to_bytes(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* query, std::size_t dimension,
              float* out) {
  distances<Portable, Floats4, 1, 1>(Bytes<Portable>{scale}, rows, query, 0, dimension, out);
}
void decode_halves(const std::uint16_t* halves, std::size_t dimension, float* values) {
  decode<Floats4>(Halves<Portable>{}, halves, dimension, values);
}
void decode_bytes(const std::uint8_t* codes, const Scale& scale, std::size_t dimension, float* values) {
  decode<Floats4>(Bytes<Portable>{scale}, codes, dimension, values);
}

constexpr ScanKernel kKernels[] = {{"portable",
                                    {portable<1, 1>, portable<1, 2>, portable<2, 4>, portable<1, 8>},
                                    to_halves,
                                    to_bytes,
                                    decode_halves,
                                    decode_bytes}};

}  // namespace

std::span<const ScanKernel> scan_kernels() {
  return kKernels;
}

}  // namespace driftd::index
