// Where the parts of a collection lie in its directory (FORMAT.md). For the files of this library that read or write
// them.
//
// Thread-safe: pure functions of the file system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace driftd::index {

[[nodiscard]] inline std::filesystem::path catalog_of(const std::filesystem::path& directory) {
  return directory / "catalog.db";
}
[[nodiscard]] inline std::filesystem::path segment_of(const std::filesystem::path& directory, std::int64_t segment) {
  return directory / "versions" / std::to_string(segment);
}
[[nodiscard]] inline std::filesystem::path lock_of(const std::filesystem::path& directory) {
  return directory / "LOCK";
}
[[nodiscard]] inline std::filesystem::path build_lock_of(const std::filesystem::path& directory) {
  return directory / "versions" / ".lock";
}

// Made by an earlier driftd, or copied out of versions/.
[[nodiscard]] bool is_single_segment(const std::filesystem::path& directory);
// Throws Error{not_found} that says how to make one.
void require_collection(const std::filesystem::path& directory);
// The segments that lie in versions/, the newest first.
[[nodiscard]] std::vector<std::int64_t> segments_in(const std::filesystem::path& directory);

}  // namespace driftd::index
