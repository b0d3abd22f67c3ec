// Errors as RFC 9457 problem details (application/problem+json), from one fixed table. No text of a library, no path of
// the machine and no address reaches a client; for Errc::internal, Errc::corrupt and unknown exceptions not even the
// message, which goes to the log under the request id.
//
// Thread-safe: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "api/http.hpp"
#include "core/error.hpp"

namespace driftd::api {

[[nodiscard]] int status_of(Errc code);  // the one mapping from Errc to HTTP

// {"type":"urn:driftd:problem:too-large","title":...,"status":413,"detail":...,"request_id":...}: type is the stable
// name a client may switch on, one for each status, and a second one for 503: "deadline" beside "overloaded". 429 and
// 503 carry Retry-After: 1. detail is shown to the client: it must be safe to show.
[[nodiscard]] Response problem(int status, std::string_view detail, std::string_view request_id);
[[nodiscard]] Response problem(const Error& error, std::string_view request_id);

}  // namespace driftd::api
