#include "api/json_body.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

[[noreturn]] void refuse(std::string_view field, const std::string& why) {
  throw Error{Errc::invalid_argument, "\"" + std::string{field.substr(0, 64)} + "\" " + why};
}

}  // namespace

std::string text_field(const json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_string()) refuse(field, "must be a text");
  return std::string{value->as_string()};
}

JsonBody::JsonBody(std::string_view body, std::initializer_list<std::string_view> known) {
  if (body.empty()) return;
  boost::system::error_code error;
  auto value = json::parse(body, error);
  if (error || !value.is_object()) throw Error{Errc::invalid_argument, "the body is not a JSON object"};
  object_ = std::move(value.as_object());
  for (const auto& [key, ignored] : object_) {
    if (std::ranges::find(known, std::string_view{key}) != known.end()) continue;
    std::string names;
    for (const auto name : known) names += (names.empty() ? "" : ", ") + std::string{name};
    refuse(key, "is no field of this request; it has " + names);
  }
}

std::string JsonBody::text(std::string_view field, std::size_t max_bytes) const {
  const auto* value = object_.if_contains(field);
  if (value == nullptr) return {};
  if (!value->is_string()) refuse(field, "must be a text");
  const auto& text = value->as_string();
  const auto control = [](unsigned char c) { return (c < ' ' && c != '\n' && c != '\t') || c == 0x7F; };
  if (text.size() > max_bytes || std::ranges::any_of(text, control)) {
    refuse(field, "must have at most " + std::to_string(max_bytes) + " bytes and no control characters");
  }
  return {text.data(), text.size()};
}

std::optional<std::int64_t> JsonBody::integer(std::string_view field, std::int64_t least, std::int64_t most) const {
  const auto* value = object_.if_contains(field);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  if (error || number < least || number > most) {
    refuse(field, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

std::optional<bool> JsonBody::flag(std::string_view field) const {
  const auto* value = object_.if_contains(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) refuse(field, "must be true or false");
  return value->as_bool();
}

std::vector<std::string> JsonBody::texts(std::string_view field, std::size_t most, std::size_t max_bytes) const {
  const auto* value = object_.if_contains(field);
  if (value == nullptr) return {};
  const auto is_short = [&](const json::value& v) { return v.is_string() && v.as_string().size() <= max_bytes; };
  if (!value->is_array() || value->as_array().size() > most || !std::ranges::all_of(value->as_array(), is_short)) {
    refuse(field, "must be a list of at most " + std::to_string(most) + " texts of at most " +
                      std::to_string(max_bytes) + " bytes");
  }
  return json::value_to<std::vector<std::string>>(*value);
}

std::optional<std::int64_t> JsonBody::time_ms(std::string_view field) const {
  if (!has(field)) return std::nullopt;
  const auto time = parse_rfc3339(text(field, 64));
  if (!time) refuse(field, "must be a time by RFC 3339, such as 2026-01-02T03:04:05Z");
  return time;
}

}  // namespace driftd::api
