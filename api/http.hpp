// What a handler sees of HTTP: a request and a response as plain values. Beast stays behind http_server.cpp.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace driftd::api {

struct Request {
  std::string method;                             // "GET"
  std::string path;                               // percent-decoded, starts with '/', no query (see target.hpp)
  std::map<std::string, std::string> query;       // percent-decoded; a repeated name is refused with 400
  std::map<std::string, std::string> parameters;  // filled by the router: "/v1/streams/{s}" gives parameters["s"]
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; trailers are never among them
  std::string body;
  std::string id;      // X-Request-Id when the client sent a sound one (1-128 of [A-Za-z0-9._-]), else one of ours
  std::string remote;  // "127.0.0.1"
  std::chrono::steady_clock::time_point received;
  std::chrono::steady_clock::time_point deadline;

  [[nodiscard]] std::optional<std::string_view> header(std::string_view lower_case_name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // further ones: Retry-After, Allow
};

// Handlers run on the server's io thread: whatever takes longer than some microseconds must hop to a pool with
// co_await.
using Handler = std::function<boost::asio::awaitable<Response>(Request)>;

}  // namespace driftd::api
