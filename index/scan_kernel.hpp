// Squared L2 distances between a few queries and a few rows, in the widest registers that the processor has. Rows are
// floats, or stored in fewer bits, which are decoded in registers.
//
// Immutable tables, thread-safe. A pair's distance has the same bits however many rows and queries it is computed with,
// and whether the row comes decoded: each pair has one accumulator register, summed in one order. Between kernels the
// last bits differ.
// Cost: one subtraction and one multiply-add a register of values and pair; a row is read, and decoded, once for all
// queries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace driftd::index {

// Queries are padded with zeros to a multiple of this many floats.
constexpr std::size_t kPadding = 16;

// What a byte stands for: offset[j] + step[j] * byte. Padded with zeros, as queries are.
struct Scale {
  const float* offset;
  const float* step;
};

struct ScanKernel {
  // out[q * rows.size() + r] for as many queries as the entry stands for, `stride` floats apart.
  using Distances = void (*)(std::span<const float* const> rows, const float* queries, std::size_t stride,
                             std::size_t dimension, float* out);
  // The same. The bits are those of the decoded rows' distances.
  using ToHalves = void (*)(std::span<const std::uint16_t* const> rows, const float* queries, std::size_t stride,
                            std::size_t dimension, float* out);
  using ToBytes = void (*)(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* queries,
                           std::size_t stride, std::size_t dimension, float* out);
  // The same for 8 queries; the decoded rows are written, too, each with up to kPadding - 1 values that mean nothing
  // behind it and also `stride` floats apart.
  using DecodeHalves = void (*)(std::span<const std::uint16_t* const> rows, const float* queries, std::size_t stride,
                                std::size_t dimension, float* out, float* decoded);
  using DecodeBytes = void (*)(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* queries,
                               std::size_t stride, std::size_t dimension, float* out, float* decoded);

  std::string_view name;
  std::array<Distances, 4> distances;  // of 1, 2, 4 and 8 queries
  std::array<ToHalves, 4> to_halves;
  std::array<ToBytes, 4> to_bytes;
  DecodeHalves decode_halves;
  DecodeBytes decode_bytes;
};

// What this machine can run, the best first; never empty.
[[nodiscard]] std::span<const ScanKernel> scan_kernels();

}  // namespace driftd::index
