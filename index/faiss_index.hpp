// The FAISS indexes that driftd makes and accepts. Only for the files that include FAISS.
//
// Thread-safe: pure functions.
#pragma once

#include <faiss/Index.h>

#include <cstddef>
#include <filesystem>
#include <memory>

#include "index/kind.hpp"

namespace driftd::index {

struct FaissIndex {
  Kind kind;
  std::unique_ptr<faiss::Index> index;
};

// Untrained and empty, with cells_for(count) cells where the kind has cells, all of them read.
[[nodiscard]] std::unique_ptr<faiss::Index> make_faiss_index(Kind kind, std::size_t dimension, std::size_t count);

// Throws Error{corrupt} when the file is no index of a known kind, of that dimension and size, whose parts fit
// together: what FAISS's own reader leaves unchecked.
[[nodiscard]] FaissIndex read_faiss_index(const std::filesystem::path& path, std::size_t dimension, std::size_t size);

}  // namespace driftd::index
