// Exact k-nearest-neighbour search by reading every row: no index, no building, no second copy.
//
// Thread-safe: pure functions. A query's answer has the same bits whatever the batch, the number of threads and the
// order in which they work. Equal distances are ordered by row.
// Cost: one pass over the rows in memory for every 64 queries, which for one query is as fast as the memory allows; one
// subtraction and one multiply-add per value and query in the widest registers of the processor
// (index/scan_kernel.hpp). The rows are split among the threads, so that one query can use every core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "index/neighbours.hpp"
#include "index/row_mask.hpp"

namespace driftd::index {

// Rows stored in fewer bits than floats have, one after the other: as halves (IEEE 754 binary16), or as bytes, of which
// byte b of column j stands for offset[j] + step[j] * b.
struct CodedRows {
  std::size_t count = 0;
  const std::uint16_t* halves = nullptr;  // these
  const std::uint8_t* bytes = nullptr;    // or those
  std::span<const float> offset;          // of bytes
  std::span<const float> step;
};

// Writes the vectors of some rows, one after the other. Called from several threads at once; must not throw.
using RowReader = std::function<void(std::span<const std::int64_t> rows, float* values)>;

// Distances are Euclidean. Finds min(k, allowed rows) rows for each query. `allowed`: only these rows, all where it is
// null. `threads`: at most so many, 0 for as many as there are cores where that pays. Columns and the mask's size must
// agree, k be at least 1 and no value NaN (asserted).
[[nodiscard]] Neighbours scan(MatrixView queries, MatrixView rows, std::size_t k, const RowMask* allowed = nullptr,
                              int threads = 0);
// The same over rows that are decoded on the way, in registers: by every eight queries, or, where there are more, once
// for every 64.
[[nodiscard]] Neighbours scan(MatrixView queries, const CodedRows& rows, std::size_t k,
                              const RowMask* allowed = nullptr, int threads = 0);
// The same over `count` rows that are stored in another way. Each is read once for every 64 queries.
[[nodiscard]] Neighbours scan(MatrixView queries, std::size_t count, const RowReader& read, std::size_t k,
                              const RowMask* allowed = nullptr, int threads = 0);

}  // namespace driftd::index
