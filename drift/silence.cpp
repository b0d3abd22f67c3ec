#include "drift/silence.hpp"

#include <algorithm>
#include <cstddef>

namespace driftd::drift {

bool matches(std::string_view pattern, std::string_view stream) {
  std::size_t p = 0;
  std::size_t s = 0;
  // Where to go on when a character does not fit: behind the last star, which takes one character more.
  std::size_t star = std::string_view::npos;
  std::size_t taken = 0;
  while (s < stream.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      taken = s;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == stream[s])) {
      ++p;
      ++s;
    } else if (star != std::string_view::npos) {
      p = star;
      s = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool is_stream_pattern(std::string_view pattern) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-*?";
  return !pattern.empty() && pattern.size() <= 64 && pattern.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::int64_t silenced_until(std::span<const Silence> silences, std::string_view stream, std::int64_t now_ms) {
  std::int64_t until = 0;
  for (const auto& silence : silences) {
    const bool active = silence.from_ms <= now_ms && now_ms < silence.until_ms;
    if (active && matches(silence.streams, stream)) until = std::max(until, silence.until_ms);
  }
  return until;
}

}  // namespace driftd::drift
