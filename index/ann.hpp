// k-nearest-neighbour search over vectors, by FAISS. ann.cpp is the only file that includes FAISS.
//
// One writer, any readers: add() must not run beside search(); a published index is never changed.
// Distances are Euclidean (L2, not squared), recomputed from the stored vectors for the k found, so that one query and a batch of
// queries give the same numbers: FAISS's batch path goes through |x|^2 + |y|^2 - 2xy, which loses the small ones.
// Cost: exact search reads every vector once per query (about 60 ms for 1M x 512 on one core), batches of 20 or more go through BLAS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/matrix.hpp"

namespace driftd::index {

// Row-major queries x k, nearest first; where there are fewer than k vectors, row is -1 and distance infinite.
struct Neighbours {
  std::size_t k = 0;
  std::vector<float> distances;
  std::vector<std::int64_t> rows;
};

class Ann {
 public:
  explicit Ann(std::size_t dimension);  // an empty exact index ("flat")
  ~Ann();
  Ann(Ann&&) noexcept;
  Ann& operator=(Ann&&) noexcept;

  // Throws Error{invalid_argument} on a wrong dimension or a value that is not finite.
  void add(MatrixView vectors);

  // Throws Error{invalid_argument} on a wrong dimension, a value that is not finite, or k = 0.
  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k) const;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t dimension() const;
  [[nodiscard]] std::string_view kind() const { return "flat"; }
  [[nodiscard]] std::span<const float> vector(std::size_t row) const;

  // The file must have been verified against its checksum before read(): FAISS notices no flipped bit.
  void write(const std::filesystem::path& path) const;
  // Throws Error{corrupt} when the file is no index of that dimension and size.
  [[nodiscard]] static Ann read(const std::filesystem::path& path, std::size_t dimension, std::size_t size);

 private:
  struct Impl;
  explicit Ann(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftd::index
