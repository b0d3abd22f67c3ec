// A listening socket and its sessions: one coroutine per connection, limits on everything a client can send.
//
// Requests are framed by api/framing.hpp, stricter than Boost.Beast 1.81, whose parser accepts or dies of several
// malformed ones. Answers to what is malformed end the connection. Memory for a connection: 64 KiB and the body, up to
// its route's limit.
//
// Confined to the thread that runs the io_context, except stop() and connections(), which are thread-safe. The router
// must outlive the io_context's last run.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/router.hpp"

namespace driftd::api {

struct HttpOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: the system picks one; port() tells
  std::size_t max_connections = 2000;
  std::size_t max_connections_per_ip = 512;
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_header_fields = 100;
  std::size_t max_target_bytes = 4096;
  std::size_t max_requests_per_connection = 10'000;
  std::size_t max_body_bytes = 512 * 1024 * 1024;  // of all connections, received and not yet answered; beyond it 503
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{10'000};  // plus the body's size at min_body_rate
  std::size_t min_body_rate = 16 * 1024;           // bytes per second
  std::chrono::milliseconds write_timeout{30'000};
  std::chrono::milliseconds idle_timeout{60'000};     // between requests of one connection
  std::chrono::milliseconds request_timeout{30'000};  // Request::deadline
};

class HttpServer {
 public:
  // Counts what was refused before a handler saw it: reason is from a fixed list ("connections", "descriptors",
  // "framing", "header", "method", "target", "body", "memory", "timeout").
  using Rejected = std::function<void(std::string_view reason)>;

  // Binds and listens at once. Throws Error{invalid_argument} when the address cannot be bound, with the system's
  // reason.
  HttpServer(boost::asio::io_context& io, HttpOptions options, const Router& router, Rejected rejected = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::size_t connections() const;

  // Stops accepting, lets requests in flight finish (their answers say "Connection: close"), closes idle connections;
  // on_stopped is called once, on the io_context's thread, when the last one is gone or the grace period is over and
  // the rest were cut off. A second call only sets a new grace period: zero ends it all at once.
  void stop(std::chrono::milliseconds grace, std::function<void()> on_stopped);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace driftd::api
