// Delivers the notices of the store's outbox to the configured webhooks: at least once, with back-off.
//
// A notice is in the store, synced, before its first attempt; it leaves it when the receiver answers 2xx. After the
// configured number of attempts it is kept as dead, which its alert's history tells; waits are those of
// drift::retry_delay_ms. Each target has one attempt at a time and waits for no other. A target that does not answer,
// or answers 429 or 5xx, gets nothing else until the notice that failed is due again. Confined to the thread that runs
// the io_context, unless said otherwise.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "api/metrics.hpp"
#include "api/webhook_target.hpp"
#include "drift/store.hpp"

namespace driftd::api {

class WebhookSender {
 public:
  // Keeps references to all but the targets, which it takes.
  WebhookSender(boost::asio::io_context& io, std::vector<WebhookTarget> targets, drift::Store& store, Metrics& metrics);
  ~WebhookSender();
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

  // Looks at the outbox now, on every kick() (thread-safe) and every second. Pending notices of targets that are no
  // longer configured die.
  void start();
  void kick();
  // A kick that also ends the pauses of targets that were down: thread-safe.
  void retry_now();
  // Whether such a target is configured: thread-safe.
  [[nodiscard]] bool knows(std::string_view target) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace driftd::api
