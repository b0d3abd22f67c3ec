#include "api/http_head.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <ctime>

namespace driftd::api {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::array<std::string_view, 6> kMethods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

std::string lower_case(std::string_view text) {
  std::string lower{text};
  for (auto& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// "Sat, 21 Nov 2026 09:30:00 GMT", whatever the process's locale.
std::string http_date() {
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 64> rest{};
  std::strftime(rest.data(), rest.size(), " %Y %H:%M:%S GMT", &utc);
  const auto day = std::to_string(utc.tm_mday);
  return std::string{kDays[utc.tm_wday]} + ", " + (day.size() < 2 ? "0" : "") + day + " " + kMonths[utc.tm_mon] +
         rest.data();
}

bool is_safe(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

void add_field(std::string& head, std::string_view name, std::string_view value) {
  if (!is_safe(name) || !is_safe(value)) return;
  head += name;
  head += ": ";
  head += value;
  head += "\r\n";
}

}  // namespace

Refusal parse_request_head(std::string_view bytes, RequestHead& head) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(bytes.size() + 1));  // HeadScanner keeps the limit
  parser.body_limit(boost::none);                                     // BodyDecoder keeps the limit
  boost::beast::error_code error;
  parser.put(asio::buffer(bytes), error);
  const auto& message = parser.get();
  for (const auto& field : message) {
    head.headers.emplace_back(lower_case({field.name_string().data(), field.name_string().size()}),
                              std::string{field.value()});
  }
  if (error == http::error::bad_version) return {400, "framing", "the protocol is neither HTTP/1.1 nor HTTP/1.0"};
  if (error || !parser.is_header_done()) return {400, "framing", "the request line or a header field is malformed"};

  head.method = std::string{message.method_string()};
  head.target = std::string{message.target()};
  head.minor = message.version() == 10 ? 0 : 1;
  head.keep_alive = parser.keep_alive();
  if (auto refusal = check_fields(head.minor, head.headers, head.framing)) return refusal;
  if (std::ranges::find(kMethods, head.method) == kMethods.end()) return {501, "method", "this method is not served"};
  return {};
}

std::string response_head(const Response& response, const ResponseContext& context) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string head = context.minor == 0 ? "HTTP/1.0 " : "HTTP/1.1 ";
  head += std::to_string(response.status) + " ";
  head.append(reason.data(), reason.size());
  head += "\r\n";
  add_field(head, "Date", http_date());
  if (!response.body.empty()) add_field(head, "Content-Type", response.content_type);
  if (response.status != 204) add_field(head, "Content-Length", std::to_string(response.body.size()));
  add_field(head, "Cache-Control", "no-store");
  add_field(head, "X-Content-Type-Options", "nosniff");
  add_field(head, "X-Request-Id", context.request_id);
  if (!context.traceparent.empty()) add_field(head, "Traceparent", context.traceparent);
  if (!context.keep_alive) add_field(head, "Connection", "close");
  if (context.keep_alive && context.minor == 0) add_field(head, "Connection", "keep-alive");
  for (const auto& [name, value] : response.headers) add_field(head, name, value);
  return head + "\r\n";
}

}  // namespace driftd::api
