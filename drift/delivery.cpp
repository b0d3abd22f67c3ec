#include "drift/delivery.hpp"

#include <algorithm>

namespace driftd::drift {

std::string_view name_of(DeliveryState state) {
  switch (state) {
    case DeliveryState::pending:
      return "pending";
    case DeliveryState::delivered:
      return "delivered";
    case DeliveryState::dead:
      return "dead";
  }
  return "";
}

std::int64_t retry_delay_ms(std::size_t failures, double random) {
  constexpr std::int64_t kFirst = 1000;
  constexpr std::int64_t kLongest = 300'000;
  const auto doublings = std::min<std::size_t>(failures - std::min<std::size_t>(failures, 1), 20);
  const auto half = std::min(kLongest, kFirst << doublings) / 2;
  return half + static_cast<std::int64_t>(std::clamp(random, 0.0, 1.0) * static_cast<double>(half));
}

}  // namespace driftd::drift
