// Wall-clock times as the outside sees them: milliseconds since 1970 and RFC 3339 in UTC. Thread-safe: pure but for now_ms().
#pragma once

#include <cstdint>
#include <string>

namespace driftd::api {

[[nodiscard]] std::int64_t now_ms();
[[nodiscard]] std::string rfc3339(std::int64_t unix_ms);  // "2026-01-02T03:04:05.678Z"

}  // namespace driftd::api
