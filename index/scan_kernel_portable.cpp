// Any processor: vectors of four, which the compiler maps to what there is.
#include "index/scan_block.hpp"
#include "index/scan_kernel.hpp"

namespace driftd::index {
namespace {

struct Portable {
  static void keep(auto&) {}
};

template <int kRows, int kQueries>
void portable(std::span<const float* const> rows, const float* queries, std::size_t stride, std::size_t dimension,
              float* out) {
  distances<Portable, Floats4, kRows, kQueries>(rows, queries, stride, dimension, out);
}

void decode_portable(const std::uint8_t* codes, const float* offset, const float* step, std::size_t dimension,
                     float* values) {
  decode(codes, offset, step, dimension, values);
}

constexpr ScanKernel kKernels[] = {
    {"portable", {portable<1, 1>, portable<1, 2>, portable<2, 4>, portable<1, 8>}, decode_portable}};

}  // namespace

std::span<const ScanKernel> scan_kernels() {
  return kKernels;
}

}  // namespace driftd::index
