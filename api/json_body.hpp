// The JSON object that a small write request carries: read field by field, strictly.
//
// Confined to one thread. Every function throws Error{invalid_argument} that names the field.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace driftd::api {

// The text in an object's field; "" where it is missing or null.
[[nodiscard]] std::string text_field(const boost::json::object& object, std::string_view field);

class JsonBody {
 public:
  // An empty body is an empty object. Fields that are not among `known` are refused: a misspelt one would do nothing.
  JsonBody(std::string_view body, std::initializer_list<std::string_view> known);

  [[nodiscard]] bool has(std::string_view field) const { return object_.contains(field); }
  // At most `max_bytes`, without control characters but line breaks and tabs; "" when it is missing.
  [[nodiscard]] std::string text(std::string_view field, std::size_t max_bytes) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view field, std::int64_t least,
                                                    std::int64_t most) const;
  [[nodiscard]] std::optional<bool> flag(std::string_view field) const;
  // A list of at most `most` texts of at most `max_bytes` each; empty when it is missing.
  [[nodiscard]] std::vector<std::string> texts(std::string_view field, std::size_t most, std::size_t max_bytes) const;
  [[nodiscard]] std::optional<std::int64_t> time_ms(std::string_view field) const;  // RFC 3339

 private:
  boost::json::object object_;
};

}  // namespace driftd::api
