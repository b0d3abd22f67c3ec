#include "api/log.hpp"

#include <atomic>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <string>

#include "api/time.hpp"
#include "api/utf8.hpp"
#include "core/guarded.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kMaxTextBytes = 256;

std::atomic<LogLevel> current_level{LogLevel::info};

// Never destroyed: threads may still log while static objects go away at exit.
Guarded<LogSink>& sink() {
  static auto* const instance = new Guarded<LogSink>;
  return *instance;
}

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

boost::json::value to_json(const LogField& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    return boost::json::string{clean_utf8(*text, kMaxTextBytes)};
  }
  if (const auto* number = std::get_if<std::int64_t>(&field.value)) return *number;
  if (const auto* truth = std::get_if<bool>(&field.value)) return *truth;
  const auto real = std::get<double>(field.value);
  if (!std::isfinite(real)) return nullptr;  // JSON has no infinity, and Boost.JSON would write one
  return real;
}

}  // namespace

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) noexcept try {
  if (level < current_level.load(std::memory_order_relaxed)) return;
  boost::json::object line;
  line["time"] = rfc3339(now_ms());
  line["level"] = name_of(level);
  line["message"] = clean_utf8(message, kMaxTextBytes);
  for (const auto& field : fields) line[clean_utf8(field.name, kMaxTextBytes)] = to_json(field);
  const auto text = boost::json::serialize(line);
  sink().with([&](const LogSink& write) {
    if (write) return write(text);
    // One call for the whole line: processes that share the stream do not cut into each other's lines either.
    const auto with_newline = text + '\n';
    std::fwrite(with_newline.data(), 1, with_newline.size(), stderr);
  });
} catch (...) {
  // Out of memory, or a sink that threw: there is nowhere left to say so.
}

void set_log_level(LogLevel level) noexcept {
  current_level.store(level, std::memory_order_relaxed);
}

LogLevel log_level() noexcept {
  return current_level.load(std::memory_order_relaxed);
}

void set_log_sink(LogSink replacement) {
  sink().with([&](LogSink& current) { current.swap(replacement); });
}

}  // namespace driftd::api
