// A byte for each value of each row, kept beside the rows: it tells for certain which rows are not among a query's
// nearest. The few that are left are then compared as they are, so that the answer is exact and a quarter of the memory
// is read for it: the vector approximation file of Weber, Schek and Blott (VLDB 1998).
//
// A row's bytes are its difference to the centre, in steps of the row's own; how far they are from the row is kept,
// too, and by the triangle inequality bounds every distance from both sides. Queries are turned into bytes, too
// (index/sketch_query.hpp).
//
// Rows may lie in cells, of which a query reads some.
//
// One writer, any readers: add() must not run beside the others. Memory: dimension + 12 bytes a row, in cells
// dimension + 20 and some rows' space at the end of each.
// Cost: add() one pass over the rows; candidates() one pass over the bytes for 64 queries, on all cores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/huge_pages.hpp"
#include "core/matrix.hpp"
#include "index/neighbours.hpp"
#include "index/row_mask.hpp"
#include "index/sketch_kernel.hpp"

namespace driftd::index {

// Vectors that lie together, and which rows they are.
struct Cell {
  MatrixView vectors;
  std::span<const std::int64_t> rows;
};

class Sketch {
 public:
  // The centre is the mean of some of these rows; what is added later need not be near it.
  explicit Sketch(MatrixView rows, const SketchKernel& kernel = sketch_kernels().front());

  // The same in cells, which nothing is added to. At least one, all rows below their number (asserted).
  explicit Sketch(std::span<const Cell> cells, const SketchKernel& kernel = sketch_kernels().front());

  void add(MatrixView rows);

  // For each query a superset of the rows that scan() finds, padded with -1. Its distances are bounds: scan() finds
  // none that is smaller. The k smallest come first, all in no order. Nothing where the bytes do not tell enough to be
  // of use: queries far away, or a large k. k: at least 1. `allowed`: only these rows. `chosen`: as many cells for each
  // query, the most promising first; only their rows, all where it is empty. Values are finite, the columns are those
  // of the rows (asserted).
  [[nodiscard]] std::optional<Neighbours> candidates(MatrixView queries, std::size_t k,
                                                     const RowMask* allowed = nullptr,
                                                     std::span<const std::int64_t> chosen = {}) const;

  // Whether so many values are worth the second look on this processor.
  [[nodiscard]] static bool pays(std::size_t rows, std::size_t dimension);

 private:
  using Candidate = std::pair<float, std::int64_t>;  // a row is no nearer than that
  class Turn;
  struct Shortlist;
  class Reader;

  void set_centre(std::span<const Cell> cells);
  void make_room(std::size_t places);
  void code_rows(MatrixView rows, std::size_t place);
  void learn_error(std::size_t first);
  [[nodiscard]] std::int64_t row_at(std::size_t place) const;
  [[nodiscard]] SketchBlock block(std::size_t number) const;
  bool search(MatrixView queries, std::size_t k, const RowMask* allowed, std::span<const std::int64_t> chosen,
              std::span<std::vector<Candidate>> out) const;

  const SketchKernel& kernel_;
  std::vector<float> centre_;
  std::size_t quads_;
  std::size_t count_ = 0;
  std::vector<std::uint32_t> cells_;  // the first block of each, and the end; empty where there are none
  std::vector<std::int64_t> rows_;    // in each place of them, -1 where there is none
  std::vector<std::uint8_t, HugePageAllocator<std::uint8_t>> codes_;  // blocks of kSketchRows rows
  std::vector<float> scale_;
  std::vector<float> norm_;   // squared, a little less than it is
  std::vector<float> error_;  // a little more than it is
  std::size_t learned_ = 0;
  float usual_error_ = 0;  // their mean
};

}  // namespace driftd::index
