#include "api/http_server.hpp"

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <set>
#include <utility>

#include "api/http_head.hpp"
#include "api/http_session.hpp"
#include "api/log.hpp"
#include "api/problem.hpp"
#include "api/request_id.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kAcceptPause = 100ms;  // while the process is out of file descriptors
constexpr auto kLogPause = 10s;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

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

}  // namespace

class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, HttpOptions options, const Router& router, Rejected rejected)
      : io_{io},
        shared_{std::make_shared<HttpSharedState>(std::move(options), router, std::move(rejected))},
        acceptor_{listen(io, shared_->options)},
        accept_pause_{io},
        grace_{io} {}

  void start();
  void stop(std::chrono::milliseconds grace, std::function<void()> on_stopped);
  void close();

  [[nodiscard]] asio::io_context& io() { return io_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  static awaitable<void> accept_all(std::shared_ptr<Impl> self);
  bool try_admit(tcp::socket socket) noexcept;
  void admit(tcp::socket socket);
  void turn_away(tcp::socket socket);
  void remove(HttpSession& session);
  void warn_of_failed_accept(const error_code& error);
  void accept_backlog();
  void report_stopped();

  // Constant after construction.
  asio::io_context& io_;

  // Owned by the thread that runs io_, but for connections_.
  const std::shared_ptr<HttpSharedState> shared_;
  tcp::acceptor acceptor_;
  const std::uint16_t port_{acceptor_.local_endpoint().port()};
  asio::steady_timer accept_pause_;
  asio::steady_timer grace_;
  Clock::time_point next_warning_{};
  std::set<HttpSession*> sessions_;
  std::map<asio::ip::address, std::size_t> connections_of_;
  std::atomic<std::size_t> connections_{0};
  std::function<void()> on_stopped_;
};

void HttpServer::Impl::start() {
  asio::co_spawn(io_, accept_all(shared_from_this()), asio::detached);
}

awaitable<void> HttpServer::Impl::accept_all(std::shared_ptr<Impl> self) {
  while (self->acceptor_.is_open()) {
    auto [error, socket] = co_await self->acceptor_.async_accept(kTuple);
    if (!self->acceptor_.is_open()) break;
    if (!error && self->try_admit(std::move(socket))) continue;
    self->warn_of_failed_accept(error);
    // When the process is out of file descriptors the connection stays in the backlog: accepting again at once would
    // spin.
    self->accept_pause_.expires_after(kAcceptPause);
    co_await self->accept_pause_.async_wait(kTuple);
  }
}

// False: out of memory. That may cost a connection, never the listener.
bool HttpServer::Impl::try_admit(tcp::socket socket) noexcept try {
  admit(std::move(socket));
  return true;
} catch (...) {
  return false;
}

void HttpServer::Impl::warn_of_failed_accept(const error_code& error) {
  shared_->count_rejected("descriptors");
  if (Clock::now() < next_warning_) return;
  next_warning_ = Clock::now() + kLogPause;
  log(LogLevel::warn, "cannot accept connections: raise the limit of open files (ulimit -n) or lower max_connections",
      {{"cause", error ? error.message() : "out of memory"},
       {"connections", static_cast<std::int64_t>(sessions_.size())}});
}

void HttpServer::Impl::admit(tcp::socket socket) {
  error_code error;
  const auto address = socket.remote_endpoint(error).address();
  if (error) return;  // gone already
  const auto known = connections_of_.find(address);
  const auto from_address = known == connections_of_.end() ? 0 : known->second;
  if (sessions_.size() >= shared_->options.max_connections || from_address >= shared_->options.max_connections_per_ip) {
    return turn_away(std::move(socket));
  }
  socket.set_option(tcp::no_delay{true}, error);
  const auto session = std::make_shared<HttpSession>(shared_, std::move(socket), address);
  sessions_.insert(session.get());
  connections_.store(sessions_.size(), std::memory_order_relaxed);
  ++connections_of_[address];
  asio::co_spawn(io_, session->run(),
                 [self = shared_from_this(), session](const std::exception_ptr&) { self->remove(*session); });
}

// One write that cannot block: a new socket's send buffer has room for it.
void HttpServer::Impl::turn_away(tcp::socket socket) {
  shared_->count_rejected("connections");
  const auto id = new_request_id();
  const auto response = problem(503, "too many connections are open", id);
  const auto bytes = response_head(response, {.request_id = id}) + response.body;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(bytes), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::Impl::remove(HttpSession& session) {
  sessions_.erase(&session);
  connections_.store(sessions_.size(), std::memory_order_relaxed);
  const auto count = connections_of_.find(session.address());
  if (--count->second == 0) connections_of_.erase(count);
  if (shared_->stopping && sessions_.empty()) report_stopped();
}

void HttpServer::Impl::stop(std::chrono::milliseconds grace, std::function<void()> on_stopped) {
  grace_.expires_after(grace);
  grace_.async_wait([self = shared_from_this()](const error_code& error) {
    if (error) return;
    for (auto* session : self->sessions_) session->close();
    self->report_stopped();
  });
  if (std::exchange(shared_->stopping, true)) return;
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
    if (!error) try_admit(std::move(socket));
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

HttpServer::HttpServer(asio::io_context& io, HttpOptions options, const Router& router, Rejected rejected)
    : impl_{std::make_shared<Impl>(io, std::move(options), router, std::move(rejected))} {
  impl_->start();
}

HttpServer::~HttpServer() {
  impl_->close();
}

std::uint16_t HttpServer::port() const {
  return impl_->port();
}

std::size_t HttpServer::connections() const {
  return impl_->connections();
}

void HttpServer::stop(std::chrono::milliseconds grace, std::function<void()> on_stopped) {
  asio::post(impl_->io(), [impl = impl_, grace, on_stopped = std::move(on_stopped)]() mutable {
    impl->stop(grace, std::move(on_stopped));
  });
}

}  // namespace driftd::api
