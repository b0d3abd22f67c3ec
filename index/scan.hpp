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

#include "core/matrix.hpp"
#include "index/neighbours.hpp"
#include "index/row_mask.hpp"

namespace driftd::index {

// Writes the vectors of some rows, one after the other. Called from several threads at once; must not throw.
using RowReader = std::function<void(std::span<const std::int64_t> rows, float* values)>;

// Distances are Euclidean. Finds min(k, allowed rows) rows for each query. `allowed`: only these rows, all where it is
// null. `threads`: at most so many, 0 for as many as there are cores where that pays. Columns and the mask's size must
// agree, k be at least 1 and no value NaN (asserted).
[[nodiscard]] Neighbours scan(MatrixView queries, MatrixView rows, std::size_t k, const RowMask* allowed = nullptr,
                              int threads = 0);
// The same over `count` rows that are stored in another way. Each is read once for every 64 queries.
[[nodiscard]] Neighbours scan(MatrixView queries, std::size_t count, const RowReader& read, std::size_t k,
                              const RowMask* allowed = nullptr, int threads = 0);

}  // namespace driftd::index
