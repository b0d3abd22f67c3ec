// The service's log: one JSON object a line on standard error, such as
// {"time":"2026-11-21T09:30:00.123Z","level":"error","message":"the index is gone","request_id":"01J..."}.
//
// Every text is capped at 256 bytes, bad UTF-8 and control characters cannot break the line, so that whatever a client
// sends may be logged. Thread-safe; lines of different threads never mix. Nothing here throws: a line that cannot be
// written is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <variant>

namespace driftd::api {

enum class LogLevel { debug, info, warn, error };

// A value is a text (not kept after the call), a number or a truth value.
struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) noexcept;

// Lines below the level are dropped; info at the start.
void set_log_level(LogLevel level) noexcept;
[[nodiscard]] LogLevel log_level() noexcept;

// Where lines go in place of standard error (each without its newline); an empty function restores standard error. The
// sink is called under a lock: it must not log.
using LogSink = std::function<void(std::string_view line)>;
void set_log_sink(LogSink sink);

}  // namespace driftd::api
