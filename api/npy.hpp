// A matrix from NumPy's .npy file: two dimensions, little-endian float32 or float64, row by row.
//
// Thread-safe: a pure function of the file. Throws Error: not_found, invalid_argument for another shape, order or type
// (the text says how to save it right), corrupt for a file cut short. Memory: the file twice. Format: NumPy enhancement
// proposal 1, versions 1 to 3.
#pragma once

#include <filesystem>

#include "core/matrix.hpp"

namespace driftd::api {

[[nodiscard]] Matrix read_npy(const std::filesystem::path& path);

}  // namespace driftd::api
