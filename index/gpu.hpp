// Copies of an index on GPUs, for searches. Built from index/gpu.cpp where DRIFTD_GPU is on, else from
// index/gpu_none.cpp, which has no GPU to offer.
//
// Thread-safe. FAISS's GPU indexes are not: each copy answers one search at a time, and a search takes a copy that is
// free. Every failure that FAISS reports is an Error whose message is one line that says why; a CUDA call that fails
// inside FAISS ends the process, so each search first asks CUDA whether the device still answers.
#pragma once

#include <cstddef>
#include <memory>

#include "core/matrix.hpp"
#include "index/device.hpp"
#include "index/kind.hpp"
#include "index/neighbours.hpp"

namespace faiss {
struct Index;
}

namespace driftd::index {

class GpuCopies {
 public:
  // Copies `index`, of `kind`, to every device meant. Throws Error{not_found} where there is no such device or the kind
  // has no search on it, Error{overloaded} where its memory is full.
  GpuCopies(const faiss::Index& index, Kind kind, const Device& device);
  ~GpuCopies();
  GpuCopies(const GpuCopies&) = delete;
  GpuCopies& operator=(const GpuCopies&) = delete;

  // As the devices find them: distances are squared and rounded coarsely, equal ones in no order. nprobe 0 where the
  // kind has no cells. Throws Error{invalid_argument} where the device cannot search for so many, Error{internal} when
  // it fails.
  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k, std::size_t nprobe) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// 0 where there is none, or no driver.
[[nodiscard]] int gpu_count();

}  // namespace driftd::index
