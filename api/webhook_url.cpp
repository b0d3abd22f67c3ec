#include "api/webhook_url.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace ip = boost::asio::ip;

[[noreturn]] void refuse(const std::string& why) {
  throw Error{Errc::invalid_argument, "a webhook's URL " + why + "; it looks like https://host:port/path"};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z');
}

// A DNS name of letters, digits, hyphens and underscores. A last label of digits only would be read as an IPv4 address.
bool is_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  std::string_view last;
  for (std::size_t start = 0; start <= host.size();) {
    const auto end = std::min(host.find('.', start), host.size());
    last = host.substr(start, end - start);
    const bool sound = !last.empty() && last.size() <= 63 && is_alphanumeric(last.front()) &&
                       is_alphanumeric(last.back()) &&
                       std::ranges::all_of(last, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
    if (!sound) return false;
    start = end + 1;
  }
  return !std::ranges::all_of(last, is_digit) && !last.starts_with("0x");
}

bool is_address(const std::string& host, bool bracketed) {
  boost::system::error_code error;
  const auto address = ip::make_address(host, error);
  if (error || host.find('%') != std::string::npos) return false;
  return address.is_v6() == bracketed && (bracketed || address.to_string() == host);  // "127.00.0.1" is no usual form
}

struct Range4 {
  std::uint32_t first;
  int bits;
};
constexpr std::array kSpecial4{
    Range4{0x00000000, 8},   // this network
    Range4{0x0A000000, 8},   // private
    Range4{0x64400000, 10},  // shared (carrier-grade NAT)
    Range4{0x7F000000, 8},   // loopback
    Range4{0xA9FE0000, 16},  // link-local, with the metadata services of clouds
    Range4{0xAC100000, 12},  // private
    Range4{0xC0000000, 24},  // protocol assignments
    Range4{0xC0000200, 24},  // documentation
    Range4{0xC0586300, 24},  // 6to4 relays
    Range4{0xC0A80000, 16},  // private
    Range4{0xC6120000, 15},  // benchmarks
    Range4{0xC6336400, 24},  // documentation
    Range4{0xCB007100, 24},  // documentation
    Range4{0xE0000000, 4},   // multicast
    Range4{0xF0000000, 4},   // reserved, broadcast
};

bool is_public4(std::uint32_t address) {
  return std::ranges::none_of(kSpecial4, [&](const Range4& r) { return (address ^ r.first) >> (32 - r.bits) == 0; });
}

bool is_public6(const ip::address_v6::bytes_type& b) {
  const auto word = [&](std::size_t i) { return static_cast<unsigned>(b[i] << 8 | b[i + 1]); };
  const std::uint32_t tail = std::uint32_t{word(12)} << 16 | word(14);
  const bool zero_middle = std::all_of(b.begin() + 4, b.begin() + 10, [](auto byte) { return byte == 0; });
  if (word(0) == 0 && word(2) == 0 && zero_middle && word(10) == 0xFFFF) return is_public4(tail);       // mapped
  if (word(0) == 0x0064 && word(2) == 0xFF9B && zero_middle && word(10) == 0) return is_public4(tail);  // NAT64
  if (word(0) >> 13 != 1) return false;                      // outside 2000::/3: loopback, local, multicast, ...
  if (word(0) == 0x2001 && word(2) < 0x0200) return false;   // 2001::/23: Teredo, benchmarks, ORCHID
  if (word(0) == 0x2001 && word(2) == 0x0DB8) return false;  // documentation
  if (word(0) == 0x2002) return false;                       // 6to4: any IPv4 address
  return !(word(0) == 0x3FFF && word(2) < 0x1000);           // documentation
}

}  // namespace

std::string WebhookUrl::authority() const {
  const auto name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? name : name + ":" + port;
}

WebhookUrl parse_webhook_url(std::string_view text) {
  if (text.size() > 2048) refuse("has more than 2048 characters");
  const auto plain = [](char c) {
    return c > ' ' && c < 0x7F && std::string_view{"\"<>\\^`{|}#@"}.find(c) == std::string_view::npos;
  };
  if (!std::ranges::all_of(text, plain))
    refuse("holds a user name, a fragment, or a character that must be written as %XX");
  WebhookUrl url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) refuse("must start with https:// or http://");
  text.remove_prefix(url.tls ? 8 : 7);

  const auto end = std::min(text.find_first_of("/?"), text.size());
  auto authority = text.substr(0, end);
  url.target = std::string{text.substr(end)};
  if (url.target.empty() || url.target.front() == '?') url.target.insert(0, 1, '/');

  const bool bracketed = authority.starts_with('[');
  const auto close = bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (close == std::string_view::npos) refuse("has a '[' without ']'");
  url.host = std::string{bracketed ? authority.substr(1, close - 1) : authority.substr(0, close)};
  std::ranges::transform(url.host, url.host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (!is_address(url.host, bracketed) && (bracketed || !is_name(url.host)))
    refuse("names no host: a DNS name or an address is needed");

  auto rest = authority.substr(bracketed ? close + 1 : close);
  url.port = url.tls ? "443" : "80";
  if (rest.empty()) return url;
  unsigned port = 0;
  const auto [last, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), port);
  const bool whole = error == std::errc{} && last == rest.data() + rest.size();
  if (rest.front() != ':' || !whole || port < 1 || port > 65535) refuse("has a port that is none of 1 to 65535");
  url.port = std::to_string(port);
  return url;
}

bool is_public(const ip::address& address) {
  return address.is_v4() ? is_public4(address.to_v4().to_uint()) : is_public6(address.to_v6().to_bytes());
}

}  // namespace driftd::api
