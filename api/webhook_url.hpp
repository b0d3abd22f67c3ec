// Where a webhook goes: an absolute http or https URL, read strictly, and which addresses it may lead to.
//
// Thread-safe: pure functions.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>

namespace driftd::api {

struct WebhookUrl {
  bool tls = true;
  std::string host;    // a name, an IPv4 or an IPv6 address without brackets; lower case
  std::string port;    // "443"
  std::string target;  // path and query, starts with '/'
  // As it stands in the Host header: with brackets, and with the port unless that is the scheme's own.
  [[nodiscard]] std::string authority() const;
};

// Throws Error{invalid_argument} that says what is wrong, without the URL: its path may be a secret. Refused are other
// schemes, user names, fragments, characters that a URL writes as %XX, hosts that are no DNS name and no address in the
// usual form (0x7f.1 and 127.1 are none), and ports outside 1 to 65535.
[[nodiscard]] WebhookUrl parse_webhook_url(std::string_view text);

// Whether an address is one of the public Internet. Not so are loopback, private, link-local, shared, documentation,
// benchmark, multicast and reserved ranges of the IANA special-purpose registries, and the IPv6 forms of such IPv4
// addresses (mapped and NAT64; 6to4 and Teredo altogether).
[[nodiscard]] bool is_public(const boost::asio::ip::address& address);

}  // namespace driftd::api
