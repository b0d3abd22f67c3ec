// Squared L2 distances between a few queries and a few rows, in the widest registers that the processor has. Rows are
// floats; one query is also compared with rows as they are stored in fewer bits, which are decoded in registers.
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

// What a byte stands for: offset[j] + step[j] * byte. Padded with zeros, as queries are.
struct Scale {
  const float* offset;
  const float* step;
};

struct ScanKernel {
  // out[q * rows.size() + r] for as many queries as the entry stands for, `stride` floats apart.
  using Distances = void (*)(std::span<const float* const> rows, const float* queries, std::size_t stride,
                             std::size_t dimension, float* out);
  // out[r] for one query. The bits are those of the decoded row's distance.
  using ToHalves = void (*)(std::span<const std::uint16_t* const> rows, const float* query, std::size_t dimension,
                            float* out);
  using ToBytes = void (*)(std::span<const std::uint8_t* const> rows, const Scale& scale, const float* query,
                           std::size_t dimension, float* out);
  using DecodeHalves = void (*)(const std::uint16_t* halves, std::size_t dimension, float* values);
  using DecodeBytes = void (*)(const std::uint8_t* codes, const Scale& scale, std::size_t dimension, float* values);

  std::string_view name;
  std::array<Distances, 4> distances;  // of 1, 2, 4 and 8 queries
  ToHalves to_halves;
  ToBytes to_bytes;
  DecodeHalves decode_halves;
  DecodeBytes decode_bytes;
};

// What this machine can run, the best first; never empty.
[[nodiscard]] std::span<const ScanKernel> scan_kernels();

}  // namespace driftd::index
