// Distances between sketches (index/sketch.hpp): bytes of sixteen rows against bytes of a few queries.
//
// Immutable tables, thread-safe. Every kernel computes the same integers, and so the same bits.
// Cost: one instruction for 64 products with AVX-512 VNNI; rows are read once for all queries of a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace driftd::index {

constexpr std::size_t kSketchRows = 16;  // that are stored together: four values of each, then the next four
constexpr std::size_t kSketchQueries = 8;

// Row r stands for scale[r] * (code - 128), to within error[r].
struct SketchBlock {
  const std::uint8_t* codes;  // quads x 16 rows x 4 values
  const float* scale;
  const float* norm;  // squared
  const float* error;
};

// A query stands for scale * code.
struct SketchQuery {
  const std::int32_t* quads;  // four signed codes in each
  std::int32_t bias;          // 128 times the sum of the codes
  float scale;
  float norm;   // squared
  float limit;  // rows whose distance less their error is above it are of no interest
};

struct SketchKernel {
  // For `count` <= kSketchQueries queries: squared[16 q + r], and bit r of close[q] where row r is of interest to query
  // q.
  using Compare = void (*)(const SketchBlock& rows, const SketchQuery* queries, std::size_t count, std::size_t quads,
                           float* squared, std::uint16_t* close);
  std::string_view name;
  bool fast;  // reading bytes saves time
  Compare compare;
};

// What this machine can run, the best first; never empty.
[[nodiscard]] std::span<const SketchKernel> sketch_kernels();

}  // namespace driftd::index
