// Wall-clock times as the outside sees them: milliseconds since 1970 and RFC 3339 in UTC. Thread-safe: pure but for
// now_ms().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace driftd::api {

[[nodiscard]] std::int64_t now_ms();
[[nodiscard]] std::string rfc3339(std::int64_t unix_ms);  // "2026-01-02T03:04:05.678Z"
// Nothing for a text that is no time of the years 1970 to 9999; digits beyond milliseconds are dropped.
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace driftd::api
