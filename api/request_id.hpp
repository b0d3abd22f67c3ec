// The identifiers that tie an answer to its log lines and to the caller's trace.
//
// Thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace driftd::api {

// A ULID: 26 characters of Crockford's base 32, 48 bits of milliseconds since 1970 and 80 random bits, so that ids sort
// by time. Unpredictable enough to be unique, not a secret.
[[nodiscard]] std::string new_request_id();

// 1 to 128 of [A-Za-z0-9._-]: what a client may choose as X-Request-Id.
[[nodiscard]] bool is_request_id(std::string_view text);

// A traceparent of W3C Trace Context, version 00: "00-<32 hex>-<16 hex>-<2 hex>", lower case, ids not all zero.
[[nodiscard]] bool is_traceparent(std::string_view text);

}  // namespace driftd::api
