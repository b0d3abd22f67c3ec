#include "api/http_server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <map>
#include <set>
#include <utility>

#include "api/framing.hpp"
#include "api/http_head.hpp"
#include "api/log.hpp"
#include "api/problem.hpp"
#include "api/request_id.hpp"
#include "api/target.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kReserveBytes = 1024 * 1024;  // of a body, on the word of its Content-Length alone
constexpr auto kAcceptPause = 100ms;                // while the process is out of file descriptors
constexpr auto kLogPause = 10s;
constexpr auto kLingerTime = 1s;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr int kClientGone = 499;                    // never sent: there is nobody to read it

bool out_of_resources(const error_code& error) {
  return error == asio::error::no_descriptors || error == boost::system::errc::too_many_files_open_in_system ||
         error == asio::error::no_buffer_space || error == asio::error::no_memory;
}

tcp::acceptor listen(asio::io_context& io, const HttpOptions& options) {
  const auto where = options.address + ":" + std::to_string(options.port);
  const auto check = [&](const error_code& error) {
    if (error) throw Error{Errc::invalid_argument, "cannot listen on " + where + ": " + error.message()};
  };
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  check(error);
  const tcp::endpoint endpoint{address, options.port};
  tcp::acceptor acceptor{io};
  check(acceptor.open(endpoint.protocol(), error));
  check(acceptor.set_option(tcp::acceptor::reuse_address{true}, error));
  check(acceptor.bind(endpoint, error));
  check(acceptor.listen(asio::socket_base::max_listen_connections, error));
  return acceptor;
}

std::string_view value_of(const Fields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Fields::value_type::first);
  return found == fields.end() ? std::string_view{} : std::string_view{found->second};
}

std::string id_of(const RequestHead& head) {
  const auto chosen = value_of(head.headers, "x-request-id");
  return is_request_id(chosen) ? std::string{chosen} : new_request_id();
}

}  // namespace

class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, HttpOptions options, const Router& router, Rejected rejected)
      : io_{io},
        options_{std::move(options)},
        router_{router},
        rejected_{std::move(rejected)},
        acceptor_{listen(io, options_)},
        port_{acceptor_.local_endpoint().port()},
        accept_pause_{io},
        grace_{io} {}

  void start();
  void stop(std::chrono::milliseconds grace, std::function<void()> on_stopped);
  void close();

  [[nodiscard]] asio::io_context& io() { return io_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  class Session;

  static awaitable<void> accept_all(std::shared_ptr<Impl> self);
  void admit(tcp::socket socket);
  void turn_away(tcp::socket socket);
  void remove(Session& session);
  void warn_out_of_resources(const error_code& error);
  void accept_backlog();
  void report_stopped();
  void count_rejected(std::string_view reason) const {
    if (rejected_) rejected_(reason);
  }

  // Constant after construction.
  asio::io_context& io_;
  const HttpOptions options_;
  const Router& router_;
  const Rejected rejected_;

  // Owned by the thread that runs io_, but for the two that others may read.
  tcp::acceptor acceptor_;
  const std::uint16_t port_;
  asio::steady_timer accept_pause_;
  asio::steady_timer grace_;
  Clock::time_point next_warning_{};
  std::set<Session*> sessions_;
  std::map<asio::ip::address, std::size_t> connections_of_;
  std::atomic<std::size_t> connections_{0};
  std::size_t body_bytes_ = 0;  // received for requests that are not answered yet
  bool stopping_ = false;
  std::function<void()> on_stopped_;
};

// One connection. Its coroutine lives as long as it does; everything runs on the thread of the io_context.
class HttpServer::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Impl& server, tcp::socket socket, const asio::ip::address& address)
      : server_{server},
        options_{server.options_},
        socket_{std::move(socket)},
        timer_{server.io_},
        buffer_{std::max<std::size_t>(64 * 1024, options_.max_header_bytes + kReadBytes)},
        address_{address},
        remote_{address.to_string()} {}
  ~Session() { release_body(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  awaitable<void> run();
  void close_if_idle();
  void close();

  [[nodiscard]] const asio::ip::address& address() const { return address_; }

 private:
  awaitable<bool> serve_one();
  awaitable<Refusal> read_head(RequestHead& head);
  awaitable<Refusal> read_body(const RequestHead& head, std::size_t limit, std::string& body);
  awaitable<bool> fill();
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
    error_code ignored;
    return buffer_.size() > 0 || socket_.available(ignored) > 0;
  }
  void arm(Clock::time_point deadline);
  void disarm() { timer_.expires_at(Clock::time_point::max()); }  // a wait that was due already sees that it is not
  void release_body() { server_.body_bytes_ -= std::exchange(charged_, 0); }

  Impl& server_;
  const HttpOptions& options_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  const asio::ip::address address_;
  const std::string remote_;
  Clock::time_point started_{};   // of the current request's first byte
  std::size_t requests_ = 0;
  std::size_t charged_ = 0;  // this session's part of body_bytes_
  bool idle_ = true;         // between requests
  bool expired_ = false;
};

// --- Session ---------------------------------------------------------------------------------------------------------------------

awaitable<void> HttpServer::Impl::Session::run() {
  // The connection boundary: whatever goes wrong in here ends this session and nothing else.
  try {
    bool keep_alive = true;
    while (keep_alive) {
      keep_alive = co_await serve_one();
      release_body();
    }
    co_await linger();
  } catch (const std::exception& error) {
    log(LogLevel::error, "a connection ended by an exception", {{"cause", error.what()}, {"remote", remote_}});
  } catch (...) {
    log(LogLevel::error, "a connection ended by an exception of unknown type", {{"remote", remote_}});
  }
  close();
}

// One request and its answer. False: nothing more is read from this connection.
awaitable<bool> HttpServer::Impl::Session::serve_one() {
  RequestHead head;
  auto refusal = co_await read_head(head);
  if (refusal) {
    co_await refuse(refusal, std::move(head));
    co_return false;
  }
  Request request;
  if ((refusal = make_request(head, request))) {
    co_await refuse(std::move(refusal), std::move(head));
    co_return false;
  }
  const auto match = server_.router_.match(request.method, request.path);
  if (match.route != nullptr) refusal = co_await read_body(head, match.route->body_limit, request.body);
  if (refusal) {
    co_await refuse(std::move(refusal), std::move(head));
    co_return false;
  }
  ++requests_;
  disarm();
  const auto id = request.id;
  auto response = co_await server_.router_.handle(match, std::move(request));
  const bool body_unread = match.route == nullptr && head.framing.has_body();
  const bool keep_alive =
      head.keep_alive && !body_unread && !server_.stopping_ && requests_ < options_.max_requests_per_connection;
  const bool written = co_await write(std::move(response), head, id, keep_alive);
  co_return written && keep_alive;
}

// Armed once a phase: a byte now and then keeps no connection alive.
awaitable<Refusal> HttpServer::Impl::Session::read_head(RequestHead& head) {
  HeadScanner scanner{{options_.max_header_bytes, options_.max_header_fields, options_.max_target_bytes}};
  idle_ = buffer_.size() == 0;
  started_ = Clock::now();
  arm(started_ + (idle_ && requests_ > 0 ? options_.idle_timeout : options_.header_timeout));
  for (;;) {
    auto refusal = scanner.scan(received());
    if (refusal) co_return refusal;
    if (scanner.size() > 0) break;
    if (idle_ && server_.stopping_ && !has_input()) co_return Refusal{kClientGone, "gone", ""};
    if (!co_await fill()) {
      if (idle_ || !expired_) co_return Refusal{kClientGone, "gone", ""};
      co_return Refusal{408, "timeout", "the header section did not arrive in time"};
    }
    if (!std::exchange(idle_, false)) continue;
    started_ = Clock::now();
    arm(started_ + options_.header_timeout);
  }
  auto refusal = parse_request_head(received().substr(0, scanner.size()), head);
  buffer_.consume(scanner.size());
  co_return refusal;
}

// The deadline moves with what has arrived: at any time past body_timeout, min_body_rate must have been kept on average.
awaitable<Refusal> HttpServer::Impl::Session::read_body(const RequestHead& head, std::size_t limit, std::string& body) {
  if (!head.framing.has_body()) co_return Refusal{};
  if (head.framing.content_length > limit) co_return Refusal{413, "body", "the body is over this resource's limit"};
  const auto begin = Clock::now();
  arm(begin + options_.body_timeout);
  if (head.framing.expects_continue && buffer_.size() == 0) {
    if (!co_await write_all("HTTP/1.1 100 Continue\r\n\r\n", "")) co_return Refusal{kClientGone, "gone", ""};
  }
  BodyDecoder decoder{head.framing, limit};
  body.reserve(std::min<std::size_t>(head.framing.content_length, kReserveBytes));
  for (std::size_t wire_bytes = 0;;) {
    auto input = received();
    auto refusal = decoder.push(input, body);
    wire_bytes += buffer_.size() - input.size();
    buffer_.consume(buffer_.size() - input.size());
    if (refusal || decoder.done()) co_return refusal;
    if (!charge(body.size())) co_return Refusal{503, "memory", "too many large requests are under way"};
    arm(begin + options_.body_timeout + 1000ms * wire_bytes / std::max<std::size_t>(options_.min_body_rate, 1));
    if (!co_await fill()) {
      if (!expired_) co_return Refusal{kClientGone, "gone", ""};
      co_return Refusal{408, "timeout", "the body did not arrive in time"};
    }
  }
}

// Reads what there is, at least one byte. False: the client is gone or the deadline passed.
awaitable<bool> HttpServer::Impl::Session::fill() {
  if (expired_) co_return false;
  const auto space = std::min(kReadBytes, buffer_.max_size() - buffer_.size());
  const auto [error, count] = co_await socket_.async_read_some(buffer_.prepare(space), kTuple);
  buffer_.commit(count);
  co_return !error;
}

Refusal HttpServer::Impl::Session::make_request(const RequestHead& head, Request& request) const {
  try {
    auto target = parse_target(head.target);
    request.path = std::move(target.path);
    request.query = std::move(target.query);
  } catch (const Error& error) {
    return {400, "target", error.what()};
  }
  request.method = head.method;
  request.headers = head.headers;
  request.id = id_of(head);
  request.remote = remote_;
  request.received = started_;
  request.deadline = started_ + options_.request_timeout;
  return {};
}

awaitable<void> HttpServer::Impl::Session::refuse(Refusal refusal, RequestHead head) {
  if (refusal.status == kClientGone) {
    close();
    co_return;
  }
  server_.count_rejected(refusal.reason);
  const std::chrono::duration<double> elapsed = Clock::now() - started_;
  server_.router_.observe("none", refusal.status, elapsed.count());
  expired_ = false;  // the answer has a deadline of its own
  const auto id = id_of(head);
  auto response = problem(refusal.status, refusal.detail, id);
  (void)co_await write(std::move(response), head, id, false);
}

awaitable<bool> HttpServer::Impl::Session::write(Response response, const RequestHead& head, std::string_view id,
                                                 bool keep_alive) {
  const auto trace = value_of(head.headers, "traceparent");
  const auto bytes = response_head(response, {.minor = head.minor,
                                              .keep_alive = keep_alive,
                                              .request_id = id,
                                              .traceparent = is_traceparent(trace) ? trace : std::string_view{}});
  arm(Clock::now() + options_.write_timeout);
  const bool written = co_await write_all(bytes, head.method == "HEAD" ? std::string_view{} : response.body);
  if (!written) {
    if (expired_) server_.count_rejected("timeout");
    close();
  }
  co_return written;
}

awaitable<bool> HttpServer::Impl::Session::write_all(std::string_view head, std::string_view body) {
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  const auto [error, count] = co_await asio::async_write(socket_, buffers, kTuple);
  co_return !error;
}

// Closing a socket with unread input resets the connection, and a reset may overtake the last answer: read for a while first.
awaitable<void> HttpServer::Impl::Session::linger() {
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) co_return;
  idle_ = true;
  arm(Clock::now() + kLingerTime);
  do {
    buffer_.consume(buffer_.size());
  } while (co_await fill());
}

void HttpServer::Impl::Session::arm(Clock::time_point deadline) {
  timer_.expires_at(deadline);
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    // A wait that was already due when it was armed anew comes here without an error.
    if (error || !self || self->timer_.expiry() > Clock::now()) return;
    self->expired_ = true;
    error_code ignored;
    self->socket_.cancel(ignored);
  });
}

bool HttpServer::Impl::Session::charge(std::size_t body_bytes) {
  server_.body_bytes_ += body_bytes - charged_;
  charged_ = body_bytes;
  return server_.body_bytes_ <= options_.max_body_bytes;
}

// A request that has arrived is served even when this thread has not read it yet.
void HttpServer::Impl::Session::close_if_idle() {
  if (idle_ && !has_input()) close();
}

void HttpServer::Impl::Session::close() {
  disarm();
  error_code ignored;
  socket_.close(ignored);
}

// --- Impl ------------------------------------------------------------------------------------------------------------------------

void HttpServer::Impl::start() { asio::co_spawn(io_, accept_all(shared_from_this()), asio::detached); }

awaitable<void> HttpServer::Impl::accept_all(std::shared_ptr<Impl> self) {
  while (self->acceptor_.is_open()) {
    auto [error, socket] = co_await self->acceptor_.async_accept(kTuple);
    if (!error) {
      self->admit(std::move(socket));
    } else if (out_of_resources(error)) {
      self->warn_out_of_resources(error);
      // The connection stays in the backlog, so accepting again at once would spin.
      self->accept_pause_.expires_after(kAcceptPause);
      co_await self->accept_pause_.async_wait(kTuple);
    }
  }
}

void HttpServer::Impl::warn_out_of_resources(const error_code& error) {
  count_rejected("descriptors");
  if (Clock::now() < next_warning_) return;
  next_warning_ = Clock::now() + kLogPause;
  log(LogLevel::warn, "cannot accept connections: raise the limit of open files (ulimit -n) or lower max_connections",
      {{"cause", error.message()}, {"connections", static_cast<std::int64_t>(sessions_.size())}});
}

void HttpServer::Impl::admit(tcp::socket socket) {
  error_code error;
  const auto address = socket.remote_endpoint(error).address();
  if (error) return;  // gone already
  const auto known = connections_of_.find(address);
  const auto from_address = known == connections_of_.end() ? 0 : known->second;
  if (sessions_.size() >= options_.max_connections || from_address >= options_.max_connections_per_ip) {
    return turn_away(std::move(socket));
  }
  socket.set_option(tcp::no_delay{true}, error);
  const auto session = std::make_shared<Session>(*this, std::move(socket), address);
  sessions_.insert(session.get());
  connections_.store(sessions_.size(), std::memory_order_relaxed);
  ++connections_of_[address];
  asio::co_spawn(io_, session->run(), [self = shared_from_this(), session](const std::exception_ptr&) { self->remove(*session); });
}

// One write that cannot block: a new socket's send buffer has room for it.
void HttpServer::Impl::turn_away(tcp::socket socket) {
  count_rejected("connections");
  const auto id = new_request_id();
  const auto response = problem(503, "too many connections are open", id);
  const auto bytes = response_head(response, {.request_id = id}) + response.body;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(bytes), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::Impl::remove(Session& session) {
  sessions_.erase(&session);
  connections_.store(sessions_.size(), std::memory_order_relaxed);
  const auto count = connections_of_.find(session.address());
  if (--count->second == 0) connections_of_.erase(count);
  if (stopping_ && sessions_.empty()) report_stopped();
}

void HttpServer::Impl::stop(std::chrono::milliseconds grace, std::function<void()> on_stopped) {
  grace_.expires_after(grace);
  grace_.async_wait([self = shared_from_this()](const error_code& error) {
    if (error) return;
    for (auto* session : self->sessions_) session->close();
    self->report_stopped();
  });
  if (std::exchange(stopping_, true)) return;
  on_stopped_ = std::move(on_stopped);
  accept_backlog();
  acceptor_.close();
  accept_pause_.cancel();
  for (auto* session : sessions_) session->close_if_idle();
  if (sessions_.empty()) report_stopped();
}

// Clients whose connections the system has completed already may have sent their requests.
void HttpServer::Impl::accept_backlog() {
  error_code error;
  acceptor_.non_blocking(true, error);
  while (!error) {
    tcp::socket socket{io_};
    acceptor_.accept(socket, error);
    if (!error) admit(std::move(socket));
  }
}

void HttpServer::Impl::report_stopped() {
  grace_.cancel();
  if (const auto on_stopped = std::exchange(on_stopped_, nullptr)) on_stopped();
}

void HttpServer::Impl::close() {
  error_code ignored;
  acceptor_.close(ignored);
  accept_pause_.cancel();
  grace_.cancel();
  for (auto* session : sessions_) session->close();
}

// --- HttpServer ------------------------------------------------------------------------------------------------------------------

HttpServer::HttpServer(asio::io_context& io, HttpOptions options, const Router& router, Rejected rejected)
    : impl_{std::make_shared<Impl>(io, std::move(options), router, std::move(rejected))} {
  impl_->start();
}

HttpServer::~HttpServer() { impl_->close(); }

std::uint16_t HttpServer::port() const { return impl_->port(); }

std::size_t HttpServer::connections() const { return impl_->connections(); }

void HttpServer::stop(std::chrono::milliseconds grace, std::function<void()> on_stopped) {
  asio::post(impl_->io(), [impl = impl_, grace, on_stopped = std::move(on_stopped)]() mutable {
    impl->stop(grace, std::move(on_stopped));
  });
}

}  // namespace driftd::api
