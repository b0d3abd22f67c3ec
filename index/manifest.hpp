// The text files of a reference directory: reference.json, items.jsonl and SHA256SUMS (FORMAT.md).
//
// Thread-safe: pure functions. The parsers throw Error: corrupt on anything that their writers would not have written,
// invalid_argument on a newer format.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "index/segment.hpp"

namespace driftd::index {

// Of references with the metric cosine, which an older driftd would search by L2. All others have format 1.
inline constexpr std::int64_t kFormat = 2;

[[nodiscard]] std::string to_json(const Manifest& manifest);
[[nodiscard]] Manifest parse_manifest(std::string_view json);

[[nodiscard]] std::string to_lines(const Items& items);
[[nodiscard]] Items parse_items(std::string_view lines);

// File name to hash.
[[nodiscard]] std::string sums_of(const std::filesystem::path& directory);
[[nodiscard]] std::map<std::string, std::string> parse_sums(std::string_view text);

}  // namespace driftd::index
