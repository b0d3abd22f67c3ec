// What a text file says about the rows of a matrix of vectors: a line for each, a JSON object or only a label.
//
// Thread-safe: a pure function of the file. Throws Error: not_found, invalid_argument naming the line, or where the
// number of lines is not the number of rows.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "index/item.hpp"

namespace driftd::api {

// An item without an id of its own is named prefix-row. No file (an empty path): only that.
[[nodiscard]] std::vector<index::Item> items_for(const std::filesystem::path& file, std::size_t rows,
                                                 const std::string& prefix);

}  // namespace driftd::api
