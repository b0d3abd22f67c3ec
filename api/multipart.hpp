// multipart/form-data (RFC 7578) of a whole body in memory. Linear in time, no copy of the parts.
//
// Thread-safe: a pure function. The views point into body.
#pragma once

#include <string_view>
#include <vector>

namespace driftd::api {

struct Part {
  std::string_view name;
  std::string_view filename;      // only ever logged; empty when absent
  std::string_view content_type;  // empty when absent; not trusted
  std::string_view content;
};

// content_type is the request's whole header value. At most max_parts parts, part headers of at most 4 KiB each,
// boundary of 1 to 70 characters of RFC 2046's set, the final boundary must be there. Throws Error{invalid_argument}.
[[nodiscard]] std::vector<Part> parse_multipart(std::string_view content_type, std::string_view body,
                                                std::size_t max_parts = 64);

}  // namespace driftd::api
