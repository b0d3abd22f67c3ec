#include "api/webhook_url.hpp"

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::api;
namespace ip = boost::asio::ip;

TEST_CASE("a webhook's URL is taken apart") {
  struct Case {
    const char* text;
    bool tls;
    const char* host;
    const char* port;
    const char* target;
    const char* authority;
  };
  const auto c = GENERATE(values<Case>({
      {"https://Example.org", true, "example.org", "443", "/", "example.org"},
      {"http://alertmanager:9093/api/v2/alerts", false, "alertmanager", "9093", "/api/v2/alerts", "alertmanager:9093"},
      {"https://a-b.c_d.example:8443/x/y?z=%20", true, "a-b.c_d.example", "8443", "/x/y?z=%20", "a-b.c_d.example:8443"},
      {"http://example.org?q=1", false, "example.org", "80", "/?q=1", "example.org"},
      {"https://192.0.2.7:443/", true, "192.0.2.7", "443", "/", "192.0.2.7"},
      {"http://[2001:DB8::1]:80/h", false, "2001:db8::1", "80", "/h", "[2001:db8::1]"},
      {"https://[::1]:8443", true, "::1", "8443", "/", "[::1]:8443"},
      {"https://1and1.example/", true, "1and1.example", "443", "/", "1and1.example"},
  }));
  CAPTURE(c.text);
  const auto url = parse_webhook_url(c.text);
  CHECK(url.tls == c.tls);
  CHECK(url.host == c.host);
  CHECK(url.port == c.port);
  CHECK(url.target == c.target);
  CHECK(url.authority() == c.authority);
}

TEST_CASE("a hostile or broken URL is refused, and the message does not repeat it") {
  const auto text = GENERATE(
      as<std::string>{},  //
      "", "example.org", "//example.org/", "ftp://example.org/", "file:///etc/passwd", "gopher://x/", "HTTPS://x",
      "https://", "https:///path", "https://:443/", "https://user@example.org/", "https://user:secret@example.org/",
      "https://example.org#@127.0.0.1/", "https://example.org\\@127.0.0.1/", "https://127.0.0.1\\.example.org/",
      "https://example.org/a b", "https://example.org/a\r\nHost: x", "https://example.org/\x01",
      "https://example.org/\x7f", "https://ex\xc3\xa4mple.org/", "https://example..org/", "https://.example.org/",
      "https://-x.example/", "https://x-.example/", "https://exa%6Dple.org/", "https://127.1/", "https://2130706433/",
      "https://0x7f000001/", "https://0x7f.1/", "https://017700000001/", "https://0177.0.0.1/", "https://127.0.0.01/",
      "https://127.0.0.1./", "https://256.1.1.1/", "https://1.2.3.4.5/", "https://[::1", "https://[127.0.0.1]/",
      "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://[::1]x/", "https://[]/", "https://::1/",
      "https://x:0/", "https://x:65536/", "https://x:-1/", "https://x:/", "https://x: 80/", "https://x:8o/",
      "https://x:80:80/", "https://x<script>/", "https://" + std::string(64, 'a') + ".example/",
      "https://" + std::string(3000, 'a'));
  CAPTURE(text);
  const auto message = test::message_of([&] { return parse_webhook_url(text); });
  CHECK(test::code_of([&] { return parse_webhook_url(text); }) == Errc::invalid_argument);
  CHECK(message.find("secret") == std::string::npos);
}

TEST_CASE("addresses that are not of the public Internet are known") {
  const auto text = GENERATE(
      as<std::string>{},  //
      "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
      "127.255.255.254", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170",
      "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.9",
      "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",  //
      "::", "::1", "::2", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
      "::ffff:0:8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::8.8.8.8", "100::1", "fc00::1",
      "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "2001::1", "2001:0:4136:e378::1", "2001:2::1", "2001:10::1",
      "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "3fff:fff::1", "4000::1", "1fff::1");
  CAPTURE(text);
  CHECK_FALSE(is_public(ip::make_address(text)));
}

TEST_CASE("addresses of the public Internet are known") {
  const auto text =
      GENERATE(as<std::string>{}, "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
               "126.0.0.1", "128.0.0.1", "169.253.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.167.0.1",
               "198.17.0.1", "198.20.0.1", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::808:808", "2001:200::1",
               "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1", "3fff:1000::1");
  CAPTURE(text);
  CHECK(is_public(ip::make_address(text)));
}
