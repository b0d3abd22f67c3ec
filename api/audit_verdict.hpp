// The question that decides an audit: "ood_rate.lower > 0.10".
//
// Thread-safe: values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "drift/report.hpp"

namespace driftd::api {

// NAME (> | >= | < | <=) NUMBER, or "never" (always empty: no verdict of drift).
struct Condition {
  enum class Comparison { greater, greater_equal, less, less_equal };
  std::string text = "never";
  std::string name;  // empty: never
  Comparison comparison = Comparison::greater;
  double limit = 0;
};

inline constexpr const char* kDefaultCondition = "ood_rate.lower > 0.10";

// Throws Error{invalid_argument} that lists the names.
[[nodiscard]] Condition parse_condition(std::string_view text);

// The names that a condition may use, one line each with its meaning.
[[nodiscard]] std::string condition_help();

struct Verdict {
  bool drift = false;
  bool sound = true;  // false: not one image could be scored, so there is no answer
  std::string text;   // one sentence for a person
  std::string condition;
};

[[nodiscard]] Verdict decide(const Condition& condition, const drift::Report& report);

// 0.4203 -> "42.0%"
[[nodiscard]] std::string percent(double share);

}  // namespace driftd::api
