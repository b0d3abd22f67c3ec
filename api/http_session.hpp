// One connection of an HttpServer: reads requests under limits and deadlines, has the router answer them, writes the
// answers.
//
// Confined to the thread that runs the socket's io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/framing.hpp"
#include "api/http_head.hpp"
#include "api/http_server.hpp"

namespace driftd::api {

// What the connections of one server have in common.
struct HttpSharedState {
  const HttpOptions options;
  const Router& router;
  const HttpServer::Rejected rejected;
  std::size_t body_bytes = 0;  // received for requests that are not answered yet
  bool stopping = false;

  void count_rejected(std::string_view reason) const {
    if (rejected) rejected(reason);
  }
};

class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(std::shared_ptr<HttpSharedState> shared, boost::asio::ip::tcp::socket socket,
              const boost::asio::ip::address& address);
  ~HttpSession() { release_body(); }
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  // Serves until either side ends the connection. Never throws; the caller keeps the session alive meanwhile.
  boost::asio::awaitable<void> run();

  // For a server that stops. A request that has arrived is served even when it has not been read yet.
  void close_if_idle();
  void close();

  [[nodiscard]] const boost::asio::ip::address& address() const { return address_; }

 private:
  using Clock = std::chrono::steady_clock;
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  awaitable<bool> serve_one();
  awaitable<Refusal> read_head(RequestHead& head);
  awaitable<Refusal> read_body(const RequestHead& head, std::size_t limit, std::string& body);
  awaitable<bool> fill();
  awaitable<std::size_t> fill(std::string& body, std::uint64_t most);
  awaitable<void> refuse(Refusal refusal, RequestHead head);
  awaitable<bool> write(Response response, const RequestHead& head, std::string_view id, bool keep_alive);
  awaitable<bool> write_all(std::string_view head, std::string_view body);
  awaitable<void> linger();

  [[nodiscard]] Refusal make_request(const RequestHead& head, Request& request) const;
  [[nodiscard]] bool charge(std::size_t body_bytes);
  [[nodiscard]] std::string_view received() const {
    return {static_cast<const char*>(buffer_.data().data()), buffer_.size()};
  }
  [[nodiscard]] bool has_input() {
    boost::system::error_code ignored;
    return buffer_.size() > 0 || socket_.available(ignored) > 0;
  }
  void arm(Clock::time_point deadline);
  void disarm() { timer_.expires_at(Clock::time_point::max()); }  // a wait that was due already sees that it is not
  void release_body() { shared_->body_bytes -= std::exchange(charged_, 0); }

  const std::shared_ptr<HttpSharedState> shared_;
  const HttpOptions& options_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  const boost::asio::ip::address address_;
  const std::string remote_;
  Clock::time_point started_{};  // of the current request's first byte
  std::size_t requests_ = 0;
  std::size_t charged_ = 0;  // this session's part of body_bytes_
  bool idle_ = true;         // between requests
  bool expired_ = false;
};

}  // namespace driftd::api
