// SHA-256 (FIPS 180-4) of bytes and files, as 64 lower-case hexadecimal digits.
//
// Thread-safe: pure functions. Cost: about 1.5 GB/s with the processor's SHA instructions.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace driftd {

[[nodiscard]] std::string sha256(std::span<const std::byte> bytes);

// `progress` is told how many bytes were read since it was last called. Throws Error: not_found when the file cannot be
// opened, internal when reading fails.
[[nodiscard]] std::string sha256_file(const std::filesystem::path& path,
                                      const std::function<void(std::size_t bytes)>& progress = {});

}  // namespace driftd
