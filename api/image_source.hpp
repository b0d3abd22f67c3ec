// Where images come from in bulk: a folder, a list of paths, or standard input.
//
// Thread-safe: free functions. Throws Error{not_found} when the place does not exist, invalid_argument when it names no
// file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace driftd::api {

struct ImageSource {
  std::filesystem::path path;  // to open
  std::string uri;             // relative to the folder; as written in a list
  std::string label;           // the first folder below the root (ImageFolder); empty in a flat folder and in a list
};

// where: a directory (read recursively, hidden names left out, sorted by uri, so that the order never depends on the
// file system), a text file with one path per line (relative to the list's own folder; "path<TAB>label" gives a label),
// or "-" for such a list on standard input.
[[nodiscard]] std::vector<ImageSource> list_images(const std::string& where);

// The folder, absolute, that the uris of such a list are relative to; empty for standard input.
[[nodiscard]] std::filesystem::path image_root(const std::string& where);

}  // namespace driftd::api
