// k-nearest-neighbour search over vectors: FAISS keeps and files them, and reads their cells; where every vector is
// read, our own scan does it (index/scan.hpp).
//
// One writer, any readers: add() and set_nprobe() must not run beside search(); a published index is never changed.
// Distances are Euclidean (L2, not squared) to the stored vectors, with the same bits for one query and for a batch,
// and in every kind that stores the same vector. The quantised kinds store codes: their distances are from the query as
// it is to the vector that its code stands for. Cost of a query: flat, fp16 and sq8 read every vector, as fast as the
// memory is read; ivf and ivfsq8 read nlist centroids and about nprobe/nlist of the vectors. Flat and ivf read a byte
// of each value where that is enough (index/sketch.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/matrix.hpp"
#include "index/device.hpp"
#include "index/kind.hpp"
#include "index/neighbours.hpp"
#include "index/row_mask.hpp"

namespace driftd::index {

struct SearchOptions {
  const RowMask* allowed = nullptr;  // only these rows may be found; of size() rows
  bool all_cells = false;            // read every cell: exact over what is stored
};

class Ann {
 public:
  explicit Ann(std::size_t dimension);  // an empty exact index (Kind::flat)
  ~Ann();
  Ann(Ann&&) noexcept;
  Ann& operator=(Ann&&) noexcept;

  // The same vectors in an index of another kind, row for row. What it learns (cells, ranges) comes from these vectors,
  // with a fixed seed. Cells: cells_for(size()) of them, all probed until set_nprobe() says otherwise. Cost: ten
  // k-means passes over at most 64 vectors per cell, and a second copy of the vectors, a third where this index codes
  // them. Throws Error{invalid_argument} when there is no vector to learn from.
  [[nodiscard]] Ann converted(Kind kind) const;

  // The quantised kinds clamp values outside the range that they learned. Throws Error{invalid_argument} on a wrong
  // dimension or a value that is not finite. Cells are prepared anew, a pass over all vectors.
  void add(MatrixView vectors);

  // Finds k rows, or all that there are where fewer are allowed: where the cells of a query hold fewer, it reads every
  // cell, and where few rows are allowed, it reads those and no cells. Throws Error{invalid_argument} on a wrong
  // dimension, a value that is not finite, k = 0, or a mask of another size.
  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k, const SearchOptions& options = {}) const;

  // From now on searches run on that device, in a copy of the index as it is now; this one stays what is written, read
  // and added to, and computes the distances of what the device finds. A search runs on the CPU where it is filtered or
  // reads all cells, and also where it cannot be had: a device that is missing, full or failing is no error. add()
  // removes the copy. Must not run beside search().
  void place(const Device& device);
  // Why searches run on the CPU though place() asked for another device, in one line: since then, or the latest one.
  // Empty where they do not. Thread-safe.
  [[nodiscard]] std::string device_fallback() const;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t dimension() const;
  [[nodiscard]] Kind kind() const;
  // The vector as stored: decoded where the kind quantises.
  [[nodiscard]] std::vector<float> vector(std::size_t row) const;
  // The same for many rows, in their order. Throws Error{invalid_argument} on a row that there is not.
  [[nodiscard]] Matrix vectors(std::span<const std::int64_t> rows) const;

  // Cells, and how many of them a query reads; both 0 where the kind has none.
  [[nodiscard]] std::size_t nlist() const;
  [[nodiscard]] std::size_t nprobe() const;
  // Throws Error{invalid_argument} unless 1 <= nprobe <= nlist().
  void set_nprobe(std::size_t nprobe);

  // The file must have been verified against its checksum before read(): FAISS notices no flipped bit.
  void write(const std::filesystem::path& path) const;
  // Throws Error{corrupt} when the file is no index of a known kind, of that dimension and size.
  [[nodiscard]] static Ann read(const std::filesystem::path& path, std::size_t dimension, std::size_t size);

 private:
  struct Impl;
  explicit Ann(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftd::index
