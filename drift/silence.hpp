// A time in which nobody is told of the alerts of some streams: a planned change, or an alert that is being worked on.
// The alerts are raised, recorded and shown all the same.
//
// Thread-safe: values and pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace driftd::drift {

struct Silence {
  std::string id;
  std::string streams;  // a pattern
  std::int64_t from_ms = 0;
  std::int64_t until_ms = 0;  // exclusive
  std::string who;
  std::string note;
};

// Whether a stream's name matches a pattern, in which * stands for any characters (none, too) and ? for one. O(pattern
// * name).
[[nodiscard]] bool matches(std::string_view pattern, std::string_view stream);

// 1 to 64 of A-Z a-z 0-9 . _ - * ?
[[nodiscard]] bool is_stream_pattern(std::string_view pattern);

// When the stream will be heard again if nothing is changed: the latest end of those that silence it now. 0: it is not
// silenced.
[[nodiscard]] std::int64_t silenced_until(std::span<const Silence> silences, std::string_view stream,
                                          std::int64_t now_ms);

}  // namespace driftd::drift
