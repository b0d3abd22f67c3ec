#include "api/webhook_sender.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <algorithm>
#include <chrono>
#include <random>
#include <string>

#include "api/log.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using namespace std::chrono_literals;

struct Target {
  std::string host;
  std::string port;
  std::string path;
  std::chrono::milliseconds timeout;
  std::size_t max_attempts = 1;
};

Target parse_target(const WebhookConfig& config) {
  constexpr std::string_view kScheme = "http://";
  std::string_view rest{config.url};
  const auto refuse = [&] { throw Error{Errc::invalid_argument, "configuration: webhooks.url \"" + config.url + "\" must look like http://host:port/path"}; };
  if (!rest.starts_with(kScheme)) refuse();
  rest.remove_prefix(kScheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  const auto authority = rest.substr(0, slash);
  const auto colon = std::min(authority.rfind(':'), authority.size());
  Target target{std::string{authority.substr(0, colon)}, colon < authority.size() ? std::string{authority.substr(colon + 1)} : "80",
                slash < rest.size() ? std::string{rest.substr(slash)} : "/", std::chrono::milliseconds{config.timeout_ms}, config.max_attempts};
  const bool plain = config.url.find_first_of(" \r\n\t@") == std::string::npos;
  if (target.host.empty() || target.port.empty() || !plain) refuse();
  return target;
}

// One attempt; the status code, or an exception when there was none.
asio::awaitable<int> post(const Target& target, const std::string& payload) {
  beast::tcp_stream stream{co_await asio::this_coro::executor};
  asio::ip::tcp::resolver resolver{co_await asio::this_coro::executor};
  const auto addresses = co_await resolver.async_resolve(target.host, target.port, asio::use_awaitable);
  stream.expires_after(target.timeout);
  co_await stream.async_connect(addresses, asio::use_awaitable);
  http::request<http::string_body> request{http::verb::post, target.path, 11};
  request.set(http::field::host, target.host + ":" + target.port);
  request.set(http::field::user_agent, "driftd");
  request.set(http::field::content_type, "application/json");
  request.body() = payload;
  request.prepare_payload();
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer{64 * 1024};
  http::response_parser<http::string_body> parser;
  parser.body_limit(64 * 1024);
  co_await http::async_read_header(stream, buffer, parser, asio::use_awaitable);
  co_return static_cast<int>(parser.get().result_int());
}

}  // namespace

struct WebhookSender::Impl : std::enable_shared_from_this<Impl> {
  asio::io_context& io;
  drift::Store& store;
  Metrics& metrics;
  std::vector<Target> targets;
  asio::steady_timer wake{io};
  std::mt19937_64 random{std::random_device{}()};
  bool stopped = false;

  Impl(asio::io_context& context, drift::Store& durable, Metrics& numbers) : io{context}, store{durable}, metrics{numbers} {}

  asio::awaitable<void> run() {
    const auto self = shared_from_this();
    while (!stopped) {
      try {
        for (const auto& delivery : store.due(now_ms(), 16)) co_await deliver(delivery);
      } catch (const std::exception& error) {
        log(LogLevel::error, "the outbox cannot be read", {{"reason", error.what()}});
      }
      boost::system::error_code ignored;
      wake.expires_after(1s);  // a kick cancels the wait
      co_await wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  asio::awaitable<void> deliver(drift::Delivery delivery) {
    if (delivery.target >= targets.size()) co_return drop(delivery, "no such webhook is configured any more");
    std::string reason;
    try {
      const int status = co_await post(targets[delivery.target], delivery.payload);
      if (status >= 200 && status < 300) {
        store.delivered(delivery.id);
        metrics.webhook_delivery("delivered");
        co_return;
      }
      reason = "answered " + std::to_string(status);
    } catch (const std::exception& error) {
      reason = error.what();
    }
    if (stopped) co_return;
    if (delivery.attempts + 1 >= targets[delivery.target].max_attempts) co_return drop(delivery, reason);
    const auto base = std::min<std::int64_t>(300'000, 1000LL << std::min<std::size_t>(delivery.attempts, 20));
    const auto wait = base + std::uniform_int_distribution<std::int64_t>{0, base / 2}(random);
    store.failed(delivery.id, now_ms() + wait);
    metrics.webhook_delivery("failed");
    log(LogLevel::warn, "webhook failed, will try again", {{"alert", delivery.alert_id}, {"host", targets[delivery.target].host}, {"reason", reason}, {"wait_ms", wait}});
  }

  void drop(const drift::Delivery& delivery, const std::string& reason) {
    store.dead(delivery.id);
    metrics.webhook_delivery("dead");
    log(LogLevel::error, "webhook given up: nobody was told of this alert", {{"alert", delivery.alert_id}, {"reason", reason}});
  }
};

WebhookSender::WebhookSender(asio::io_context& io, const std::vector<WebhookConfig>& targets, drift::Store& store, Metrics& metrics)
    : impl_{std::make_shared<Impl>(io, store, metrics)} {
  for (const auto& config : targets) impl_->targets.push_back(parse_target(config));
}

WebhookSender::~WebhookSender() = default;

void WebhookSender::start() { asio::co_spawn(impl_->io, impl_->run(), asio::detached); }

void WebhookSender::kick() {
  asio::post(impl_->io, [impl = impl_] { impl->wake.cancel(); });
}

void WebhookSender::stop() {
  asio::post(impl_->io, [impl = impl_] {
    impl->stopped = true;
    impl->wake.cancel();
  });
}

}  // namespace driftd::api
