// The head of a request and of a response as bytes: start line and header fields.
//
// Thread-safe: pure functions. Boost.Beast stays behind http_head.cpp.
#pragma once

#include <string>
#include <string_view>

#include "api/framing.hpp"
#include "api/http.hpp"

namespace driftd::api {

struct RequestHead {
  std::string method;
  std::string target;  // as sent
  int minor = 1;       // of HTTP/1.x
  Fields headers;
  Framing framing;
  bool keep_alive = false;
};

// bytes: a whole section as HeadScanner finds it. On a refusal head holds what was understood of it.
[[nodiscard]] Refusal parse_request_head(std::string_view bytes, RequestHead& head);

struct ResponseContext {
  int minor = 1;
  bool keep_alive = false;
  std::string_view request_id;
  std::string_view traceparent;  // empty: none
};

// Everything up to the body, with Content-Length (but for 204), Date and the fields that every answer carries. A
// further field that could end its own line is left out.
[[nodiscard]] std::string response_head(const Response& response, const ResponseContext& context);

}  // namespace driftd::api
