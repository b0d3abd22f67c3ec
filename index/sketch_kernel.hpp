// Distances between sketches (index/sketch.hpp): bytes of sixteen rows against bytes of a few queries.
//
// Immutable tables, thread-safe. Every kernel computes the same integers, and so the same bits.
// Cost: one instruction for 64 products with AVX-512 VNNI, for 16,384 with AMX; rows are read once for all queries of a
// call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace driftd::index {

constexpr std::size_t kSketchRows = 16;     // that are stored together: four values of each, then the next four
constexpr std::size_t kSketchTile = 16;     // queries whose codes a kernel may read where it is asked for fewer
constexpr std::size_t kSketchQueries = 64;  // rows of codes at most that a kernel compares at a time

// Row r stands for scale[r] * (code - 128), to within error[r].
struct SketchBlock {
  const std::uint8_t* codes;  // quads x 16 rows x 4 values
  const float* scale;
  const float* norm;  // squared
  const float* error;
};

// A query stands for scale * code, and with codes of what that leaves for scale * code + rest's scale * rest's code.
struct SketchQuery {
  struct Codes {
    std::int32_t bias = 0;  // 128 times the sum of the codes
    float twice_scale = 0;
  };
  Codes first;
  Codes rest;
  float norm;   // squared
  float limit;  // rows whose distance less their error is above it are of no interest
};

struct SketchKernel {
  // For `count` queries, of which the first `fine` have codes of a rest: count rows of `codes`, each `quads` times four
  // signed ones, and as many more rows for the rests, 1 to `queries` in all; what follows them, up to a multiple of
  // kSketchTile rows, is read and means nothing. Bit q of what it returns is set where some row is of interest to query
  // q: its distances are squared[16 q + r] then, and bit r of close[q] says which. squared: begins at a cache line,
  // room for all rows of codes.
  using Compare = std::uint64_t (*)(const SketchBlock& rows, const SketchQuery* some, std::size_t count,
                                    std::size_t fine, const std::int32_t* codes, std::size_t quads, float* squared,
                                    std::uint16_t* close);
  std::string_view name;
  bool fast;            // reading bytes saves time
  std::size_t queries;  // rows of codes
  Compare compare;
  // Where they are not null: a thread calls begin(quads) before compare() and end() after it, and between them nothing
  // that uses the processor's matrix unit.
  void (*begin)(std::size_t quads);
  void (*end)();
};

// What this machine can run, the best first; never empty.
[[nodiscard]] std::span<const SketchKernel> sketch_kernels();

}  // namespace driftd::index
