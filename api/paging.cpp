#include "api/paging.hpp"

#include <charconv>

#include "core/error.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kDefault = 50;
constexpr std::int64_t kMost = 500;

// The number that the whole text is, if it is one.
std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string query_text(const Request& request, const std::string& name, const std::string& fallback) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? fallback : found->second;
}

std::size_t page_limit(const Request& request) {
  if (!request.query.contains("limit")) return kDefault;
  const auto limit = number_of(query_text(request, "limit"));
  if (!limit || *limit < 1 || *limit > kMost)
    throw Error{Errc::invalid_argument, "limit must be a whole number from 1 to 500"};
  return static_cast<std::size_t>(*limit);
}

std::string to_text(const Cursor& cursor) {
  return std::to_string(cursor.number) + (cursor.id.empty() ? "" : "." + cursor.id);
}

std::optional<Cursor> page_cursor(const Request& request) {
  if (!request.query.contains("cursor")) return std::nullopt;
  const auto text = query_text(request, "cursor");
  const auto dot = std::min(text.find('.'), text.size());
  const auto number = number_of(std::string_view{text}.substr(0, dot));
  if (!number) throw Error{Errc::invalid_argument, "cursor must be the next_cursor of an earlier answer"};
  return Cursor{*number, dot < text.size() ? text.substr(dot + 1) : std::string{}};
}

}  // namespace driftd::api
