// The cells of an inverted file: which of them a query reads, and what it finds there.
//
// One writer, any readers: prepare() and probe() must not run beside the others. A search costs what its cells hold;
// FAISS reads them, on as many cores as there are queries, or, where one query reads much, on all of them. What FAISS
// throws is passed on: for ann.cpp, which translates it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"
#include "index/neighbours.hpp"
#include "index/row_mask.hpp"
#include "index/sketch.hpp"

namespace faiss {
struct IndexIVF;
}

namespace driftd::index {

class Cells {
 public:
  // Of an index that outlives it.
  explicit Cells(faiss::IndexIVF& index) : index_{&index} {}

  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::size_t probed() const;  // by each query, unless it says otherwise
  void probe(std::size_t nprobe);
  // Vectors in the cells of a query, on average.
  [[nodiscard]] std::size_t usually_read() const { return usually_read(probed()); }

  // After vectors were added or read from a file: no more memory than they take, and a way from a row to its place in a
  // cell.
  void prepare();

  // The nprobe cells nearest to each query, the nearest first, by our own scan, which chooses the same for one query
  // and for many.
  [[nodiscard]] std::vector<std::int64_t> choose(MatrixView queries, std::size_t nprobe) const;

  // Candidates for the k nearest in the chosen cells, as many for each query, in any order: where several searches
  // share the cells of one query, k of each side by side.
  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k, const RowMask* allowed,
                                  std::span<const std::int64_t> chosen) const;

  // Views of the vectors, cell by cell. For kinds that store them as they are.
  [[nodiscard]] std::vector<Cell> vectors() const;

 private:
  [[nodiscard]] std::size_t usually_read(std::size_t nprobe) const;

  faiss::IndexIVF* index_;
};

}  // namespace driftd::index
