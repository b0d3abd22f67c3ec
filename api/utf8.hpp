// Text from strangers, made safe to put into JSON: Boost.JSON escapes control characters but trusts that its strings
// are UTF-8.
//
// Thread-safe: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace driftd::api {

// No overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view text);

// At most max_bytes bytes of text; each byte that is no part of a sound character becomes '?', and no character is cut
// in two.
[[nodiscard]] std::string clean_utf8(std::string_view text, std::size_t max_bytes);

}  // namespace driftd::api
