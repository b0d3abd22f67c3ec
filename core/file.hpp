// Whole-file reads, and writes that a crash cannot tear.
//
// Thread-safe: free functions. Each throws Error: not_found when a path does not exist, internal (with the system's
// reason) when reading or writing fails, too_large when a file is over the limit given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace driftd {

[[nodiscard]] std::vector<std::uint8_t> read_file(const std::filesystem::path& path,
                                                  std::uintmax_t limit = UINTMAX_MAX);
[[nodiscard]] std::string read_text(const std::filesystem::path& path, std::uintmax_t limit = UINTMAX_MAX);

// Asks the system to have a file's bytes at hand soon. Waits for nothing; where the file cannot be opened, does
// nothing.
void read_ahead(const std::filesystem::path& path);

// Writes path.tmp, syncs it, renames it to path and syncs the directory: afterwards path holds the old or the new
// bytes, whole.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// Makes the files of a finished directory durable, then renames it to its final name, which must not exist.
void publish_directory(const std::filesystem::path& staging, const std::filesystem::path& final_name);

}  // namespace driftd
