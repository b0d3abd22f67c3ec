// One line of an audit trail: what happened to an alert or a retrain request, when, and who did it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace driftd::drift {

// What an alert's trail may say. A retrain request's holds its statuses (retrain.hpp).
inline constexpr std::string_view kPending = "pending";
inline constexpr std::string_view kFiring = "firing";
inline constexpr std::string_view kNotified = "notified";        // notices were queued; again at each repetition
inline constexpr std::string_view kMuted = "muted";              // a silence kept them back
inline constexpr std::string_view kUndelivered = "undelivered";  // a notice was given up
inline constexpr std::string_view kAcknowledged = "acknowledged";
inline constexpr std::string_view kSilenced = "silenced";
inline constexpr std::string_view kUnsilenced = "unsilenced";
inline constexpr std::string_view kAccepted = "accepted";  // its images were put into the reference
inline constexpr std::string_view kResolved = "resolved";

// Entries kept of one alert or request; then the oldest "notified" goes, and where there is none, the oldest.
inline constexpr std::size_t kMaxHistory = 200;

struct HistoryEntry {
  std::int64_t at_ms = 0;
  std::string what;
  std::string who;   // "driftd", or what the caller gave
  std::string note;  // may be empty
};

}  // namespace driftd::drift
