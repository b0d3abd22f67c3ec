// Query parameters of lists: how many, and from where on.
//
// Thread-safe: pure functions. Throw Error{invalid_argument} that names the parameter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "api/http.hpp"

namespace driftd::api {

// ?limit=: 1 to 500, 50 when it is missing.
[[nodiscard]] std::size_t page_limit(const Request& request);

// ?NAME=, the fallback when it is missing.
[[nodiscard]] std::string query_text(const Request& request, const std::string& name, const std::string& fallback = {});

// The last element of a page: the next page holds what is older. Written as "<number>" or "<number>.<id>"; clients take
// it from "next_cursor" and give it back as ?cursor= unread.
struct Cursor {
  std::int64_t number = 0;
  std::string id;
};
[[nodiscard]] std::string to_text(const Cursor& cursor);
[[nodiscard]] std::optional<Cursor> page_cursor(const Request& request);

}  // namespace driftd::api
