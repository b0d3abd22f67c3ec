// Squared L2 distances between a few queries and a few rows, in the widest registers that the processor has.
//
// Immutable tables, thread-safe. A pair's distance has the same bits however many rows and queries it is computed with:
// each pair has one accumulator register, summed in one order. Between kernels the last bits differ.
// Cost: one subtraction and one multiply-add a register of values and pair; a row is read once for all queries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace driftd::index {

// Queries are padded with zeros to a multiple of this many floats.
constexpr std::size_t kPadding = 16;

struct ScanKernel {
  // out[q * rows.size() + r] for as many queries as the entry stands for, `stride` floats apart.
  using Distances = void (*)(std::span<const float* const> rows, const float* queries, std::size_t stride,
                             std::size_t dimension, float* out);
  // values[j] = offset[j] + step[j] * codes[j]
  using Decode = void (*)(const std::uint8_t* codes, const float* offset, const float* step, std::size_t dimension,
                          float* values);

  std::string_view name;
  std::array<Distances, 4> distances;  // of 1, 2, 4 and 8 queries
  Decode decode;
};

// What this machine can run, the best first; never empty.
[[nodiscard]] std::span<const ScanKernel> scan_kernels();

}  // namespace driftd::index
