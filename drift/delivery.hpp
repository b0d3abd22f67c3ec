// A notice that is to reach a webhook, and its place in the outbox.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace driftd::drift {

struct Notice {
  std::string id;       // unique; the receiver sees it at every attempt and can tell a repetition by it
  std::string target;   // name of a configured webhook
  std::string event;    // "alert.firing"
  std::string subject;  // the alert or retrain request that it is about; an undelivered notice is noted in its history
  std::string payload;
};

enum class DeliveryState { pending, delivered, dead };
[[nodiscard]] std::string_view name_of(DeliveryState state);

struct Delivery : Notice {
  std::int64_t order = 0;  // grows with the time of queueing
  std::size_t attempts = 0;
  std::int64_t created_ms = 0;
  std::int64_t next_ms = 0;  // pending: not to be tried before
  DeliveryState state = DeliveryState::pending;
  std::string last_error;  // of the last attempt that failed
};

// How long to wait after the n-th failed attempt (n from 1): jitter under an exponential ceiling, so that many
// senders that failed together do not come back together. `random` is uniform in [0, 1). The result lies between half
// of the ceiling and the ceiling, which is 1 s, 2 s, 4 s ... and at most 5 minutes.
[[nodiscard]] std::int64_t retry_delay_ms(std::size_t failures, double random);

}  // namespace driftd::drift
