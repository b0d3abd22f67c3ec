#include "api/http_server.hpp"

#include <boost/json/parse.hpp>
#include <vector>

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/http_client.hpp"
#include "tests/support/http_fixture.hpp"

using namespace driftd;
using namespace std::chrono_literals;
using test::HttpClient;
using test::HttpFixture;

namespace {

const std::string kHost = "Host: here\r\n";

struct Shape {
  std::string what;
  std::string bytes;
  int status;
};

std::string post(const std::string& fields, const std::string& body) {
  return "POST /echo HTTP/1.1\r\n" + kHost + fields + "\r\n" + body;
}

std::string get(const std::string& fields = {}) { return "GET /echo HTTP/1.1\r\n" + kHost + fields + "\r\n"; }

std::string many_fields(int count) {
  std::string fields;
  for (int i = 0; i < count; ++i) fields += "a: b\r\n";
  return fields;
}

const std::string kChunked = "Transfer-Encoding: chunked\r\n";
const std::string kSmuggled = get();  // what a lenient server would take for a second request

// Every shape ends with one answer and a closed connection.
const std::vector<Shape> kRefused{
    {"an unknown transfer coding with a length", post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "12345"), 400},
    {"an unknown transfer coding", post("Transfer-Encoding: gzip\r\n", kSmuggled), 501},
    {"a coding that ends in chunked", post("Transfer-Encoding: xchunked\r\n", kSmuggled), 501},
    {"a coding after chunked", post("Transfer-Encoding: chunked, identity\r\n", kSmuggled), 501},
    {"a coding before chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
    {"an empty transfer coding", post("Transfer-Encoding:\r\n", kSmuggled), 501},
    {"chunked twice", post(kChunked + kChunked, "0\r\n\r\n"), 400},
    {"chunked with a length", post(kChunked + "Content-Length: 5\r\n", "0\r\n\r\n"), 400},
    {"a length with chunked", post("Content-Length: 5\r\n" + kChunked, "0\r\n\r\n"), 400},
    {"chunked in HTTP/1.0", "POST /echo HTTP/1.0\r\n" + kChunked + "\r\n0\r\n\r\n", 400},
    {"a folded field", get("Transfer-Encoding:\r\n chunked\r\n"), 400},
    {"a folded field by a tab", get("X-A: b\r\n\tc\r\n"), 400},
    {"space before the colon", get("Content-Length : 5\r\n"), 400},
    {"no Host", "GET /echo HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", get(kHost), 400},
    {"a Host of two words", "GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"two differing lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "123456"), 400},
    {"a list of lengths", post("Content-Length: 5, 5\r\n", "12345"), 400},
    {"a signed length", post("Content-Length: +5\r\n", "12345"), 400},
    {"a negative length", post("Content-Length: -5\r\n", "12345"), 400},
    {"a length over 64 bits", post("Content-Length: 18446744073709551621\r\n", "12345"), 400},
    {"a Trailer field", post(kChunked + "Trailer: X-A\r\n", "0\r\n\r\n"), 400},
    {"a trailer", post(kChunked, "0\r\nX-Api-Key: admin\r\n\r\n"), 400},
    {"a trailer of 70,000 bytes", post(kChunked, "0\r\nX-A: " + std::string(70'000, 'a') + "\r\n\r\n"), 400},
    {"a chunk extension of 2 KiB", post(kChunked, "1;a=" + std::string(2048, 'a') + "\r\nx\r\n0\r\n\r\n"), 400},
    {"a chunk size that is no number", post(kChunked, "x\r\n\r\n"), 400},
    {"a chunk size with 0x", post(kChunked, "0x5\r\n12345\r\n0\r\n\r\n"), 400},
    {"a chunk size with a sign", post(kChunked, "-1\r\n\r\n"), 400},
    {"a chunk size over 64 bits", post(kChunked, "10000000000000005\r\n12345\r\n0\r\n\r\n"), 400},
    {"a chunk longer than its size", post(kChunked, "5\r\n123456\r\n0\r\n\r\n"), 400},
    {"a chunk line that ends with LF", post(kChunked, "5\n12345\r\n0\r\n\r\n"), 400},
    {"a chunk over the limit", post(kChunked, "100001\r\n"), 413},
    {"a length over the limit", post("Content-Length: 1048577\r\n", ""), 413},
    {"a body where none belongs", get("Content-Length: 1\r\n") + "x", 413},
    {"header lines that end with LF", "GET /echo HTTP/1.1\nHost: here\n\n", 400},
    {"a carriage return in a field", get("X-A: b\rc\r\n"), 400},
    {"a zero byte in a field", get("X-A: b" + std::string(1, '\0') + "c\r\n"), 400},
    {"a field without a colon", get("X-A\r\n"), 400},
    {"a field without a name", get(": x\r\n"), 400},
    {"an unknown method", "BREW /echo HTTP/1.1\r\n" + kHost + "\r\n", 501},
    {"CONNECT", "CONNECT here:80 HTTP/1.1\r\n" + kHost + "\r\n", 501},
    {"a TLS handshake", "\x16\x03\x01\x02", 400},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
    {"HTTP/0.9", "GET /echo\r\n\r\n", 400},
    {"an unknown expectation", post("Expect: tea\r\nContent-Length: 1\r\n", "x"), 417},
    {"a header over 16 KiB", get("X-A: " + std::string(17'000, 'a') + "\r\n"), 431},
    {"101 fields", get(many_fields(100)), 431},
    {"a target over 4 KiB", "GET /" + std::string(4096, 'a') + " HTTP/1.1\r\n" + kHost + "\r\n", 414},
    {"a request line over 16 KiB", "GET /" + std::string(17'000, 'a'), 414},
    {"an escape cut short", "GET /echo?a=%4 HTTP/1.1\r\n" + kHost + "\r\n", 400},
    {"an escaped zero byte", "GET /echo%00 HTTP/1.1\r\n" + kHost + "\r\n", 400},
    {"a query name given twice", "GET /echo?a=1&a=2 HTTP/1.1\r\n" + kHost + "\r\n", 400},
};

}  // namespace

TEST_CASE("a request that RFC 9112 calls an error gets one answer and a closed connection, however it is cut") {
  HttpFixture fixture;
  for (const auto& shape : kRefused) {
    for (const bool in_pieces : {false, true}) {
      CAPTURE(shape.what, in_pieces);
      HttpClient client{fixture.port()};
      in_pieces ? client.send_in_pieces(shape.bytes) : client.send(shape.bytes);
      const auto reply = client.receive();
      CHECK(reply.status == shape.status);
      CHECK(reply.headers.at("connection") == "close");
      CHECK(reply.headers.at("content-type") == "application/problem+json");
      CHECK(boost::json::parse(reply.body).at("status") == shape.status);
      CHECK(client.at_end());
    }
  }
}
