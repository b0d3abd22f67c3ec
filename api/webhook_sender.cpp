#include "api/webhook_sender.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <list>
#include <random>
#include <string>

#include "api/log.hpp"
#include "api/time.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// What came of an attempt.
struct Outcome {
  bool delivered = false;
  bool target_is_down = false;
  std::string reason;
};

asio::awaitable<Outcome> attempt(const WebhookTarget& target, const drift::Delivery& delivery) {
  // Named, not temporary: GCC 12 destroys an aggregate in an expression with co_await twice.
  const WebhookMessage message{delivery.id, now_ms() / 1000, delivery.payload};
  Outcome outcome;
  try {
    const int status = co_await post(target, message);
    outcome.delivered = status >= 200 && status < 300;
    outcome.target_is_down = status == 429 || status >= 500;
    outcome.reason = "answered " + std::to_string(status);
  } catch (const std::exception& error) {
    outcome.target_is_down = true;
    outcome.reason = error.what();
  }
  co_return outcome;
}

}  // namespace

struct WebhookSender::Impl : std::enable_shared_from_this<Impl> {
  struct Lane {
    WebhookTarget target;
    asio::steady_timer wake;
    std::int64_t paused_until_ms = 0;
  };

  asio::io_context& io;
  drift::Store& store;
  Metrics& metrics;
  std::list<Lane> lanes;
  std::mt19937_64 random{std::random_device{}()};

  Impl(asio::io_context& context, drift::Store& durable, Metrics& numbers)
      : io{context}, store{durable}, metrics{numbers} {}

  asio::awaitable<void> run(Lane& lane) {
    const auto self = shared_from_this();
    for (;;) {
      try {
        while (co_await work(lane)) continue;
      } catch (const std::exception& error) {
        log(LogLevel::error, "the outbox cannot be read", {{"reason", error.what()}});
      }
      boost::system::error_code ignored;
      lane.wake.expires_after(1s);  // a kick cancels the wait
      co_await lane.wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }

  // One attempt. False when there is nothing to do now.
  asio::awaitable<bool> work(Lane& lane) {
    const auto now = now_ms();
    if (now < lane.paused_until_ms) co_return false;
    const auto due = store.due(lane.target.name, now, 1);
    if (due.empty()) co_return false;
    const auto& delivery = due.front();
    const auto outcome = co_await attempt(lane.target, delivery);
    if (outcome.delivered) {
      store.delivered(delivery.id);
      metrics.webhook_delivery("delivered");
    } else if (delivery.attempts + 1 >= lane.target.max_attempts) {
      give_up(delivery, outcome.reason);
    } else {
      const auto wait = drift::retry_delay_ms(delivery.attempts + 1, std::uniform_real_distribution<>{}(random));
      store.failed(delivery.id, now_ms() + wait, outcome.reason);
      if (outcome.target_is_down) lane.paused_until_ms = now_ms() + wait;
      metrics.webhook_delivery("failed");
      log(LogLevel::warn, "webhook failed, will try again",
          {{"subject", delivery.subject}, {"webhook", delivery.target}, {"reason", outcome.reason}, {"wait_ms", wait}});
    }
    co_return true;
  }

  void give_up(const drift::Delivery& delivery, const std::string& reason) {
    store.dead(delivery.id, now_ms(), reason);
    metrics.webhook_delivery("dead");
    log(LogLevel::error, "webhook given up: POST /v1/deliveries/ID/retry tries it again",
        {{"id", delivery.id}, {"subject", delivery.subject}, {"webhook", delivery.target}, {"reason", reason}});
  }

  [[nodiscard]] bool knows(std::string_view name) const {
    return std::ranges::any_of(lanes, [&](const Lane& lane) { return lane.target.name == name; });
  }

  void bury_orphans() {
    for (const auto& name : store.targets_with_pending()) {
      if (knows(name)) continue;
      for (const auto& delivery : store.due(name, INT64_MAX, SIZE_MAX >> 1))
        give_up(delivery, "no such webhook is configured any more");
    }
  }
};

WebhookSender::WebhookSender(asio::io_context& io, std::vector<WebhookTarget> targets, drift::Store& store,
                             Metrics& metrics)
    : impl_{std::make_shared<Impl>(io, store, metrics)} {
  for (auto& target : targets) impl_->lanes.push_back({std::move(target), asio::steady_timer{io}});
}

WebhookSender::~WebhookSender() = default;

void WebhookSender::start() {
  impl_->bury_orphans();
  for (auto& lane : impl_->lanes) asio::co_spawn(impl_->io, impl_->run(lane), asio::detached);
}

void WebhookSender::kick() {
  asio::post(impl_->io, [impl = impl_] {
    for (auto& lane : impl->lanes) lane.wake.cancel();
  });
}

void WebhookSender::retry_now() {
  asio::post(impl_->io, [impl = impl_] {
    for (auto& lane : impl->lanes) {
      lane.paused_until_ms = 0;
      lane.wake.cancel();
    }
  });
}

bool WebhookSender::knows(std::string_view target) const {
  return impl_->knows(target);
}

}  // namespace driftd::api
