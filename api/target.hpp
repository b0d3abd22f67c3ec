// The target of a request line, taken apart: "/v1/streams/line%203?limit=5" gives a path and a query.
//
// Thread-safe: a pure function.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace driftd::api {

struct Target {
  std::string path;                          // percent-decoded, starts with '/'
  std::map<std::string, std::string> query;  // percent-decoded, '+' is a space as in HTML forms
};

// Origin form or absolute form (RFC 9112, 3.2). Strict, so that no proxy in front reads the target differently. Throws
// Error{invalid_argument} for a bad escape, control characters, bytes that are not UTF-8, a fragment, "." and ".."
// segments, an encoded slash in the path, a query name given twice.
[[nodiscard]] Target parse_target(std::string_view target);

}  // namespace driftd::api
