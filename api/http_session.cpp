#include "api/http_session.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

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
using namespace std::chrono_literals;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::size_t kReserveBytes = 1024 * 1024;  // of a body, on the word of its Content-Length alone
constexpr std::size_t kBodyBytes = 64 * 1024;       // that are read into a body at once
constexpr auto kLingerTime = 1s;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr int kClientGone = 499;  // never sent: there is nobody to read it

std::string_view value_of(const Fields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Fields::value_type::first);
  return found == fields.end() ? std::string_view{} : std::string_view{found->second};
}

std::string id_of(const RequestHead& head) {
  const auto chosen = value_of(head.headers, "x-request-id");
  return is_request_id(chosen) ? std::string{chosen} : new_request_id();
}

}  // namespace

HttpSession::HttpSession(std::shared_ptr<HttpSharedState> shared, tcp::socket socket, const asio::ip::address& address)
    : shared_{std::move(shared)},
      options_{shared_->options},
      socket_{std::move(socket)},
      timer_{socket_.get_executor()},
      buffer_{std::max(kBufferBytes, options_.max_header_bytes + kReadBytes)},
      address_{address},
      remote_{address.to_string()} {}

awaitable<void> HttpSession::run() {
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
awaitable<bool> HttpSession::serve_one() {
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
  const auto match = shared_->router.match(request.method, request.path);
  if (match.route != nullptr) refusal = co_await read_body(head, match.route->body_limit, request.body);
  if (refusal) {
    co_await refuse(std::move(refusal), std::move(head));
    co_return false;
  }
  ++requests_;
  disarm();
  const auto id = request.id;
  auto response = co_await shared_->router.handle(match, std::move(request));
  const bool body_unread = match.route == nullptr && head.framing.has_body();
  const bool keep_alive =
      head.keep_alive && !body_unread && !shared_->stopping && requests_ < options_.max_requests_per_connection;
  if (!co_await write(std::move(response), head, id, keep_alive)) co_return false;
  co_return keep_alive;
}

// Armed once a phase: a byte now and then keeps no connection alive.
awaitable<Refusal> HttpSession::read_head(RequestHead& head) {
  HeadScanner scanner{{options_.max_header_bytes, options_.max_header_fields, options_.max_target_bytes}};
  idle_ = buffer_.size() == 0;
  started_ = Clock::now();
  arm(started_ + (idle_ && requests_ > 0 ? options_.idle_timeout : options_.header_timeout));
  for (;;) {
    auto refusal = scanner.scan(received());
    if (refusal) co_return refusal;
    if (scanner.size() > 0) break;
    if (idle_ && shared_->stopping && !has_input()) co_return Refusal{kClientGone, "gone", ""};
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

// The deadline moves with what has arrived: at any time past body_timeout, min_body_rate must have been kept on
// average.
awaitable<Refusal> HttpSession::read_body(const RequestHead& head, std::size_t limit, std::string& body) {
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
    bool more = false;
    if (decoder.plain() > 0) {
      const std::size_t count = co_await fill(body, decoder.plain());
      decoder.added(count);
      wire_bytes += count;
      more = count > 0;
    } else {
      more = co_await fill();
    }
    if (!more) {
      if (!expired_) co_return Refusal{kClientGone, "gone", ""};
      co_return Refusal{408, "timeout", "the body did not arrive in time"};
    }
  }
}

// Appends what there is of the next `most` bytes, and returns how many those were: 0 as fill() returns false. Nothing
// of an image is copied on its way to the decoder but what came with the head.
awaitable<std::size_t> HttpSession::fill(std::string& body, std::uint64_t most) {
  if (expired_) co_return 0;
  const std::size_t had = body.size();
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kBodyBytes, most));
  if (had + wanted > body.capacity()) body.reserve(had + static_cast<std::size_t>(most));  // kReserveBytes have come
  body.resize(had + wanted);
  const auto [error, count] = co_await socket_.async_read_some(asio::buffer(body.data() + had, wanted), kTuple);
  body.resize(had + count);
  co_return error ? 0 : count;
}

// Reads what there is, at least one byte. False: the client is gone or the deadline passed.
awaitable<bool> HttpSession::fill() {
  if (expired_) co_return false;
  const auto space = std::min(kReadBytes, buffer_.max_size() - buffer_.size());
  const auto [error, count] = co_await socket_.async_read_some(buffer_.prepare(space), kTuple);
  buffer_.commit(count);
  co_return !error;
}

Refusal HttpSession::make_request(const RequestHead& head, Request& request) const {
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

awaitable<void> HttpSession::refuse(Refusal refusal, RequestHead head) {
  if (refusal.status == kClientGone) {
    close();
    co_return;
  }
  shared_->count_rejected(refusal.reason);
  const std::chrono::duration<double> elapsed = Clock::now() - started_;
  shared_->router.observe("none", refusal.status, elapsed.count());
  expired_ = false;  // the answer has a deadline of its own
  const auto id = id_of(head);
  auto response = problem(refusal.status, refusal.detail, id);
  (void)co_await write(std::move(response), head, id, false);
}

awaitable<bool> HttpSession::write(Response response, const RequestHead& head, std::string_view id, bool keep_alive) {
  const auto trace = value_of(head.headers, "traceparent");
  const auto bytes = response_head(response, {.minor = head.minor,
                                              .keep_alive = keep_alive,
                                              .request_id = id,
                                              .traceparent = is_traceparent(trace) ? trace : std::string_view{}});
  arm(Clock::now() + options_.write_timeout);
  const bool written = co_await write_all(bytes, head.method == "HEAD" ? std::string_view{} : response.body);
  if (!written) {
    if (expired_) shared_->count_rejected("timeout");
    close();
  }
  co_return written;
}

awaitable<bool> HttpSession::write_all(std::string_view head, std::string_view body) {
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  const auto [error, count] = co_await asio::async_write(socket_, buffers, kTuple);
  co_return !error;
}

// Closing a socket with unread input resets the connection, and a reset may overtake the last answer: read for a while
// first.
awaitable<void> HttpSession::linger() {
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) co_return;
  idle_ = true;
  arm(Clock::now() + kLingerTime);
  do {
    buffer_.consume(buffer_.size());
  } while (co_await fill());
}

void HttpSession::arm(Clock::time_point deadline) {
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

bool HttpSession::charge(std::size_t body_bytes) {
  shared_->body_bytes += body_bytes - charged_;
  charged_ = body_bytes;
  return shared_->body_bytes <= options_.max_body_bytes;
}

void HttpSession::close_if_idle() {
  if (idle_ && !has_input()) close();
}

void HttpSession::close() {
  disarm();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace driftd::api
