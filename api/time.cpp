#include "api/time.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace driftd::api {

std::int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string rfc3339(std::int64_t unix_ms) {
  const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 40> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s.%03dZ", date.data(), static_cast<int>(unix_ms % 1000));
  return text.data();
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    if (at + digits > text.size()) return -1;
    for (const char c : text.substr(at, digits)) {
      if (c < '0' || c > '9') return -1;
      value = 10 * value + (c - '0');
    }
    return value;
  };
  const auto is = [&](std::size_t at, std::string_view one_of) {
    return at < text.size() && one_of.find(text[at]) != std::string_view::npos;
  };
  if (!is(4, "-") || !is(7, "-") || !is(10, "Tt ") || !is(13, ":") || !is(16, ":")) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{number(0, 4)},
                                         std::chrono::month{static_cast<unsigned>(number(5, 2))},
                                         std::chrono::day{static_cast<unsigned>(number(8, 2))}};
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (number(0, 4) < 1970 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
      second > 60)
    return std::nullopt;

  std::size_t at = 19;
  int milliseconds = 0;
  if (is(at, ".")) {
    const auto first = ++at;
    for (int weight = 100; is(at, "0123456789"); ++at, weight /= 10) milliseconds += weight * (text[at] - '0');
    if (at == first) return std::nullopt;
  }
  int offset = 0;  // minutes east of Greenwich
  if (is(at, "+-") && is(at + 3, ":")) {
    const int hours = number(at + 1, 2), minutes = number(at + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
    offset = (text[at] == '-' ? -1 : 1) * (60 * hours + minutes);
    at += 6;
  } else if (is(at, "Zz")) {
    ++at;
  } else {
    return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  const auto days = std::chrono::sys_days{date}.time_since_epoch().count();
  const auto time = ((days * 24LL + hour) * 60 + minute - offset) * 60'000 + second * 1000 + milliseconds;
  return time < 0 ? std::nullopt : std::optional{time};
}

}  // namespace driftd::api
