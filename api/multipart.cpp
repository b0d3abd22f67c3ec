#include "api/multipart.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kMaxPartHeader = 4096;
constexpr std::string_view kLineEnd = "\r\n";

[[noreturn]] void refuse(const std::string& why) {
  throw Error{Errc::invalid_argument, "multipart body: " + why};
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool starts_with_name(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && same_name(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The value at the start of text, quoted or not, without its quotes; text is left behind it. Escapes stay as they are:
// browsers write them each in its own way, and no value here is more than compared or logged.
std::string_view take_value(std::string_view& text) {
  if (!text.starts_with('"')) {
    const auto value = text.substr(0, text.find(';'));
    text.remove_prefix(value.size());
    return trim(value);
  }
  std::size_t end = 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  if (end >= text.size()) refuse("a quoted parameter has no closing quote");
  const auto value = text.substr(1, end - 1);
  text.remove_prefix(end + 1);
  return value;
}

// The parameter called name in `type; a=b; name="value"`.
std::optional<std::string_view> find_parameter(std::string_view header, std::string_view name) {
  std::optional<std::string_view> found;
  auto rest = header.substr(std::min(header.find(';'), header.size()));
  while (!rest.empty()) {
    if (rest.front() != ';') refuse("a header has text between a parameter and the next ';'");
    rest = trim(rest.substr(1));
    const auto key = rest.substr(0, rest.find_first_of("=;"));
    rest.remove_prefix(key.size());
    if (!rest.starts_with('=')) continue;
    rest.remove_prefix(1);
    const auto value = take_value(rest);
    rest = trim(rest);
    if (!same_name(trim(key), name)) continue;
    if (found) refuse("a header gives the parameter '" + std::string{name} + "' twice");
    found = value;
  }
  return found;
}

bool is_boundary_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view{"'()+_,-./:=? "}.find(c) != std::string_view::npos;
}

std::string_view boundary_of(std::string_view content_type) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  if (!same_name(type, "multipart/form-data")) refuse("the Content-Type must be multipart/form-data");
  const auto boundary = find_parameter(content_type, "boundary");
  if (!boundary) refuse("the Content-Type has no boundary parameter");
  if (boundary->empty() || boundary->size() > 70 || boundary->ends_with(' ') ||
      !std::ranges::all_of(*boundary, is_boundary_character)) {
    refuse("the boundary must be 1 to 70 characters of those RFC 2046 allows");
  }
  return *boundary;
}

// Cuts a body at its delimiter lines. A plain search is linear here: a boundary cannot hold '\r', so the delimiter has
// one, at its start, and near matches cannot overlap.
class Delimiters {
 public:
  Delimiters(std::string_view body, std::string_view boundary)
      : rest_{body}, needle_{"\r\n--" + std::string{boundary}} {
    skip_preamble();
  }

  [[nodiscard]] bool is_last() const { return is_last_; }

  // The bytes up to the next delimiter, which is consumed.
  std::string_view next() {
    for (std::size_t from = 0;;) {
      const auto at = rest_.find(needle_, from);
      if (at == std::string_view::npos)
        refuse("the final boundary is missing: the body is cut short or its boundary is another");
      const auto content = rest_.substr(0, at);
      const auto after = rest_.substr(at + needle_.size());
      if (end_line(after)) return content;
      from = at + needle_.size();  // a longer line that only begins like the delimiter
    }
  }

 private:
  void skip_preamble() {
    const auto first = std::string_view{needle_}.substr(kLineEnd.size());  // the line break before it is optional here
    if (rest_.starts_with(first) && end_line(rest_.substr(first.size()))) return;
    (void)next();
  }

  // Whether what follows the boundary ends the delimiter's line; then rest_ starts behind it.
  bool end_line(std::string_view after) {
    const bool last = after.starts_with("--");
    if (last) after.remove_prefix(2);
    after.remove_prefix(std::min(after.find_first_not_of(" \t"), after.size()));
    if (!after.starts_with(kLineEnd) && !(last && after.empty())) return false;
    after.remove_prefix(std::min(kLineEnd.size(), after.size()));
    is_last_ = last;
    rest_ = after;
    return true;
  }

  std::string_view rest_;
  std::string needle_;
  bool is_last_ = false;
};

void read_disposition(std::string_view value, Part& part) {
  if (!part.name.empty()) refuse("a part has two Content-Disposition headers");
  const auto name = find_parameter(value, "name");
  if (!same_name(trim(value.substr(0, value.find(';'))), "form-data") || !name || name->empty()) {
    refuse("a part needs 'Content-Disposition: form-data; name=\"...\"'");
  }
  part.name = *name;
  part.filename = find_parameter(value, "filename").value_or("");
}

void read_part_header(std::string_view line, Part& part) {
  const auto colon = line.find(':');
  const bool has_control =
      std::ranges::any_of(line, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7F; });
  if (colon == std::string_view::npos || colon == 0 || line.front() == ' ' || line.front() == '\t' || has_control) {
    refuse("a part has a malformed header");
  }
  const auto name = line.substr(0, colon);
  const auto value = trim(line.substr(colon + 1));
  if (same_name(name, "content-disposition")) {
    read_disposition(value, part);
  } else if (same_name(name, "content-type")) {
    if (starts_with_name(value, "multipart/")) refuse("a part may not be multipart itself");
    part.content_type = value;
  } else if (same_name(name, "content-transfer-encoding")) {
    if (!same_name(value, "binary") && !same_name(value, "8bit") && !same_name(value, "7bit")) {
      refuse("a part must not be encoded: send its bytes as they are");
    }
  }
}

Part read_part(std::string_view bytes) {
  const auto end = bytes.substr(0, kMaxPartHeader + 4).find("\r\n\r\n");
  if (end == std::string_view::npos) refuse("a part's header has no end within 4096 bytes");
  Part part{.content = bytes.substr(end + 4)};
  auto header = bytes.substr(0, end + kLineEnd.size());
  while (!header.empty()) {
    const auto line = header.substr(0, header.find(kLineEnd));
    header.remove_prefix(line.size() + kLineEnd.size());
    read_part_header(line, part);
  }
  if (part.name.empty()) refuse("a part has no Content-Disposition header");
  return part;
}

}  // namespace

std::vector<Part> parse_multipart(std::string_view content_type, std::string_view body, std::size_t max_parts) {
  Delimiters delimiters{body, boundary_of(content_type)};
  std::vector<Part> parts;
  while (!delimiters.is_last()) {
    if (parts.size() == max_parts)
      throw Error{Errc::too_large, "multipart body: more than " + std::to_string(max_parts) + " parts"};
    parts.push_back(read_part(delimiters.next()));
  }
  return parts;
}

}  // namespace driftd::api
