// Delivers the notices of the store's outbox to the configured webhooks: at least once, with back-off.
//
// A notice is in the store, synced, before its first attempt; it leaves it when the receiver answers 2xx. After the configured number
// of attempts it is kept as dead. Attempts wait 1, 2, 4 ... 300 s, each with up to half of that on top (so that many services do not
// call back at the same moment).
// Confined to the thread that runs the io_context, except kick(), which is thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

#include "api/config.hpp"
#include "api/metrics.hpp"
#include "drift/store.hpp"

namespace driftd::api {

class WebhookSender {
 public:
  // Throws Error{invalid_argument} on a URL that is not http://host[:port][/path].
  WebhookSender(boost::asio::io_context& io, const std::vector<WebhookConfig>& targets, drift::Store& store, Metrics& metrics);
  ~WebhookSender();
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

  void start();  // looks at the outbox now, on every kick() and when the next attempt is due
  void kick();
  void stop();   // abandons the attempt in flight: it will be made again after the next start

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace driftd::api
