// The signature of a webhook after the Standard Webhooks specification: HMAC-SHA256 over "id.timestamp.body", so that
// the receiver knows who sent it, that it is whole, and that it is new.
//
// Thread-safe: pure functions, but for reading the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace driftd::api {

// One secret a line, at most 4: every message is signed with each, so that a secret can be changed without a gap. A
// secret is "whsec_" and base64, or any other text, taken as it is. Throws Error: not_found, or invalid_argument for a
// file without a secret or with one of less than 16 bytes.
[[nodiscard]] std::vector<std::string> read_webhook_secrets(const std::filesystem::path& file);

// The value of the header Webhook-Signature: "v1,<base64>", one for each secret, with a space between them.
[[nodiscard]] std::string webhook_signature(const std::vector<std::string>& secrets, std::string_view id,
                                            std::int64_t timestamp_s, std::string_view body);

}  // namespace driftd::api
