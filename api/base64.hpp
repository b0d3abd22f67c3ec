// Base64 (RFC 4648, with padding, without line breaks), by OpenSSL. Thread-safe: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace driftd::api {

[[nodiscard]] std::string encode_base64(std::span<const std::uint8_t> bytes);

// Nothing when the text is not base64.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> decode_base64(std::string_view text);

}  // namespace driftd::api
