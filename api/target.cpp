#include "api/target.hpp"

#include "api/utf8.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error{Errc::invalid_argument, "the request target " + why};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char decode_escape(std::string_view escape) {
  const int high = escape.size() < 3 ? -1 : hex_digit(escape[1]);
  const int low = escape.size() < 3 ? -1 : hex_digit(escape[2]);
  if (high < 0 || low < 0) refuse("has a '%' that two hexadecimal digits do not follow");
  return static_cast<char>(high * 16 + low);
}

enum class Plus { literal, space };

std::string percent_decode(std::string_view text, Plus plus) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      c = decode_escape(text.substr(i, 3));
      i += 2;
    } else if (c == '+' && plus == Plus::space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) refuse("has a control character");
    decoded += c;
  }
  if (!is_utf8(decoded)) refuse("is not UTF-8 once its escapes are decoded");
  return decoded;
}

std::string decode_path(std::string_view text) {
  if (!text.starts_with('/')) refuse("must start with '/'");
  std::string path;
  while (!text.empty()) {
    const auto end = text.find('/', 1);
    const auto segment = percent_decode(text.substr(1, end == std::string_view::npos ? end : end - 1), Plus::literal);
    if (segment.find('/') != std::string::npos) refuse("has an encoded slash in its path");
    if (segment == "." || segment == "..") refuse("has a '.' or '..' segment");
    path += '/';
    path += segment;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  }
  return path;
}

std::map<std::string, std::string> decode_query(std::string_view text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    const auto pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    const auto [at, is_new] =
        query.emplace(percent_decode(pair.substr(0, equals), Plus::space), percent_decode(value, Plus::space));
    if (!is_new) refuse("gives the query parameter '" + at->first + "' twice");
  }
  return query;
}

// "http://host:port/path" as proxies send it: only what follows the authority names a resource here.
std::string_view without_authority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const auto path = target.find('/');
    if (path == std::string_view::npos) refuse("has no path");
    return target.substr(path);
  }
  return target;
}

}  // namespace

Target parse_target(std::string_view target) {
  if (target.find('#') != std::string_view::npos) refuse("has a fragment");
  target = without_authority(target);
  const auto question = target.find('?');
  const auto query = question == std::string_view::npos ? std::string_view{} : target.substr(question + 1);
  return {decode_path(target.substr(0, question)), decode_query(query)};
}

}  // namespace driftd::api
