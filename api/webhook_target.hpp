// A configured webhook, made ready: URL taken apart, secrets read, certificates loaded; and one delivery to it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/config.hpp"
#include "api/webhook_payload.hpp"
#include "api/webhook_url.hpp"

namespace driftd::api {

// Immutable.
struct WebhookTarget {
  std::string name;  // of the configuration, or host and a hash of the URL, which may be a secret
  WebhookUrl url;
  WebhookFormat format = WebhookFormat::driftd;
  std::vector<std::string> events;  // empty: all
  std::vector<std::string> secrets;
  std::shared_ptr<boost::asio::ssl::context> tls;  // null for http
  bool allow_private = false;
  std::chrono::milliseconds timeout{5000};
  std::size_t max_attempts = 10;

  [[nodiscard]] bool wants(std::string_view event) const;
};

// Throws Error{invalid_argument} that names the setting: a bad URL, format or event, two of one name, a secret or a
// certificate that cannot be read.
[[nodiscard]] std::vector<WebhookTarget> webhook_targets(const std::vector<WebhookConfig>& configured);

struct WebhookMessage {
  std::string id;
  std::int64_t timestamp_s = 0;
  std::string_view body;
};

// One attempt, for which both must live: resolve, check every address, connect to a checked one, verify the
// certificate, post, read the status. Redirects are not followed and the body of the answer is not read. Returns the
// status code; throws Error with a text for the log when there is none: deadline after target.timeout, invalid_argument
// for a host that leads to an address that is not public, internal for all else. The time that the system's resolver
// takes counts, but is not cut short.
[[nodiscard]] boost::asio::awaitable<int> post(const WebhookTarget& target, const WebhookMessage& message);

}  // namespace driftd::api
