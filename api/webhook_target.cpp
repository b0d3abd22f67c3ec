#include "api/webhook_target.hpp"

#include <openssl/x509_vfy.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <span>

#include "api/webhook_signature.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::use_awaitable;
using asio::ip::tcp;

constexpr std::size_t kMaxAnswer = 64 * 1024;

std::string name_of(const WebhookConfig& config, const WebhookUrl& url) {
  if (!config.name.empty()) return config.name;
  return url.host + "-" + sha256(std::as_bytes(std::span{config.url})).substr(0, 8);
}

std::shared_ptr<ssl::context> tls_context(const WebhookConfig& config) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  context->set_verify_mode(ssl::verify_peer);
  boost::system::error_code error;
  if (config.ca_file.empty()) {
    context->set_default_verify_paths(error);
  } else {
    context->load_verify_file(config.ca_file, error);
  }
  if (error)
    throw Error{Errc::invalid_argument, "configuration: webhooks.ca_file " + config.ca_file +
                                            " cannot be read as certificates: " + error.message()};
  return context;
}

// The addresses of the target, all of them allowed.
asio::awaitable<std::vector<tcp::endpoint>> addresses_of(const WebhookTarget& target) {
  std::vector<tcp::endpoint> addresses;
  boost::system::error_code not_literal;
  const auto literal = asio::ip::make_address(target.url.host, not_literal);
  if (!not_literal) {
    addresses.emplace_back(literal, static_cast<std::uint16_t>(std::stoi(target.url.port)));
  } else {
    tcp::resolver resolver{co_await asio::this_coro::executor};
    for (const auto& entry : co_await resolver.async_resolve(target.url.host, target.url.port, use_awaitable))
      addresses.push_back(entry);
  }
  for (const auto& endpoint : addresses) {
    if (target.allow_private || is_public(endpoint.address())) continue;
    throw Error{Errc::invalid_argument,
                target.url.host + " leads to " + endpoint.address().to_string() +
                    ", which is not a public address: set \"allow_private\": true for this webhook if that is meant"};
  }
  co_return addresses;
}

http::request<http::string_body> request_of(const WebhookTarget& target, const WebhookMessage& message) {
  http::request<http::string_body> request{http::verb::post, target.url.target, 11};
  request.set(http::field::host, target.url.authority());
  request.set(http::field::user_agent, "driftd");
  request.set(http::field::content_type, content_type_of(target.format));
  request.set(http::field::connection, "close");
  request.set("Webhook-Id", message.id);
  request.set("Webhook-Timestamp", std::to_string(message.timestamp_s));
  if (!target.secrets.empty()) {
    request.set("Webhook-Signature", webhook_signature(target.secrets, message.id, message.timestamp_s, message.body));
  }
  request.body() = message.body;
  request.prepare_payload();
  return request;
}

template <class Stream>
asio::awaitable<int> exchange(Stream& stream, const http::request<http::string_body>& request) {
  co_await http::async_write(stream, request, use_awaitable);
  beast::flat_buffer buffer{kMaxAnswer};
  http::response_parser<http::empty_body> parser;
  co_await http::async_read_header(stream, buffer, parser, use_awaitable);
  co_return static_cast<int>(parser.get().result_int());
}

asio::awaitable<int> exchange_tls(beast::tcp_stream& plain, const WebhookTarget& target,
                                  const http::request<http::string_body>& request) {
  ssl::stream<beast::tcp_stream&> stream{plain, *target.tls};
  const auto& host = target.url.host;
  boost::system::error_code is_name;
  (void)asio::ip::make_address(host, is_name);
  if (is_name) SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());  // addresses are not sent (RFC 6066)
  stream.set_verify_callback(ssl::host_name_verification{host});
  boost::system::error_code error;
  co_await stream.async_handshake(ssl::stream_base::client, asio::redirect_error(use_awaitable, error));
  if (error == beast::error::timeout) throw boost::system::system_error{error};
  if (error) {
    const auto verified = SSL_get_verify_result(stream.native_handle());
    throw Error{Errc::internal, "TLS with " + host + " failed: " +
                                    (verified == X509_V_OK ? error.message()
                                                           : std::string{X509_verify_cert_error_string(verified)} +
                                                                 "; for a private authority set \"ca_file\"")};
  }
  co_return co_await exchange(stream, request);
}

asio::awaitable<int> attempt(const WebhookTarget& target, const WebhookMessage& message) {
  beast::tcp_stream stream{co_await asio::this_coro::executor};
  const auto start = std::chrono::steady_clock::now();
  const auto addresses = co_await addresses_of(target);
  stream.expires_at(start + target.timeout);  // of all that follows
  co_await stream.async_connect(addresses, use_awaitable);
  const auto request = request_of(target, message);
  if (target.tls) co_return co_await exchange_tls(stream, target, request);
  co_return co_await exchange(stream, request);
}

}  // namespace

bool WebhookTarget::wants(std::string_view event) const {
  return events.empty() || std::ranges::find(events, event) != events.end();
}

std::vector<WebhookTarget> webhook_targets(const std::vector<WebhookConfig>& configured) {
  std::vector<WebhookTarget> targets;
  for (const auto& config : configured) {
    const auto format = webhook_format_of(config.format);
    if (!format) {
      throw Error{Errc::invalid_argument,
                  "configuration: webhooks.format \"" + config.format +
                      "\" must be driftd, alertmanager, alertmanager-api, slack or cloudevents"};
    }
    auto url = parse_webhook_url(config.url);
    auto name = name_of(config, url);
    if (std::ranges::find(targets, name, &WebhookTarget::name) != targets.end()) {
      throw Error{Errc::invalid_argument,
                  "configuration: two webhooks are called \"" + name + "\": give each a name of its own"};
    }
    boost::system::error_code not_literal;
    const auto literal = asio::ip::make_address(url.host, not_literal);
    if (!not_literal && !config.allow_private && !is_public(literal)) {
      throw Error{Errc::invalid_argument,
                  "configuration: webhook \"" + name + "\" goes to " + url.host +
                      ", which is not a public address: set \"allow_private\": true for it if that is meant"};
    }
    auto secrets = config.secret_file.empty() ? std::vector<std::string>{} : read_webhook_secrets(config.secret_file);
    auto tls = url.tls ? tls_context(config) : nullptr;
    targets.push_back({std::move(name), std::move(url), *format, config.events, std::move(secrets), std::move(tls),
                       config.allow_private, std::chrono::milliseconds{config.timeout_ms}, config.max_attempts});
  }
  return targets;
}

asio::awaitable<int> post(const WebhookTarget& target, const WebhookMessage& message) {
  try {
    co_return co_await attempt(target, message);
  } catch (const boost::system::system_error& error) {
    if (error.code() == beast::error::timeout) {
      throw Error{Errc::deadline, "no answer within " + std::to_string(target.timeout.count()) + " ms"};
    }
    throw Error{Errc::internal, target.url.host + ": " + error.code().message()};
  }
}

}  // namespace driftd::api
