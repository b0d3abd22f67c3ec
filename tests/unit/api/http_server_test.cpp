#include "api/http_server.hpp"

#include <boost/json/parse.hpp>
#include <future>
#include <memory>
#include <random>
#include <thread>
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

std::string get(const std::string& fields = {}) {
  return "GET /echo HTTP/1.1\r\n" + kHost + fields + "\r\n";
}

std::string many_fields(int count) {
  std::string fields;
  for (int i = 0; i < count; ++i) fields += "a: b\r\n";
  return fields;
}

const std::string kChunked = "Transfer-Encoding: chunked\r\n";
const std::string kSmuggled = get();  // what a lenient server would take for a second request

// Every shape ends with one answer and a closed connection.
const std::vector<Shape> kRefused{
    {"an unknown transfer coding with a length", post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", "12345"),
     400},
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

TEST_CASE("a sound request reaches its handler, however it is cut") {
  const std::string big(5000, 'b');
  const std::vector<std::pair<std::string, std::string>> cases{
      {post("Content-Length: 5\r\n", "12345"), "12345"},
      {post("Content-Length: 0\r\n", ""), ""},
      {post("Content-Length: 5000\r\n", big), big},
      {post(kChunked, "5\r\n12345\r\n3\r\n678\r\n0\r\n\r\n"), "12345678"},
      {post(kChunked, "0\r\n\r\n"), ""},
      {post(kChunked, "5;a=b;c=\"d e\"\r\n12345\r\n0 ;e\r\n\r\n"), "12345"},
      {post("Transfer-Encoding: CHUNKED\r\n", "000A\r\n1234567890\r\n00\r\n\r\n"), "1234567890"},
      {"POST http://here/echo HTTP/1.1\r\nHost: here:80\r\nContent-Length: 1\r\n\r\nx", "x"},
      {"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "x"},
  };
  HttpFixture fixture;
  for (const auto& [bytes, body] : cases) {
    for (const bool in_pieces : {false, true}) {
      CAPTURE(bytes, in_pieces);
      HttpClient client{fixture.port()};
      in_pieces ? client.send_in_pieces(bytes) : client.send(bytes);
      const auto reply = client.receive();
      REQUIRE(reply.status == 200);
      CHECK(boost::json::parse(reply.body).at("body").as_string() == body);
      client.send(get());  // the connection is in step
      CHECK(client.receive().status == 200);
    }
  }
}

TEST_CASE("a large body arrives whole, with what follows it, wherever packets end") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  HttpFixture fixture;
  for (const std::size_t size : {16'000U, 64 * 1024U, 64 * 1024 + 1U, 300'000U, 1'048'576U}) {
    std::string body(size, ' ');
    for (char& c : body) c = static_cast<char>('a' + random() % 26);
    const auto wire =
        post("Content-Length: " + std::to_string(size) + "\r\n", body) + post("Content-Length: 1\r\n", "2");
    HttpClient client{fixture.port()};
    for (std::size_t sent = 0; sent < wire.size();) {
      const std::size_t piece = std::min<std::size_t>(wire.size() - sent, 1 + random() % 150'000);
      REQUIRE(client.send(std::string_view{wire}.substr(sent, piece)));
      sent += piece;
      if (random() % 2 == 0) std::this_thread::sleep_for(1ms);
    }
    CHECK((boost::json::parse(client.receive().body).at("body").as_string() == body));
    CHECK(boost::json::parse(client.receive().body).at("body") == "2");
  }
}

TEST_CASE("the handler sees path, query and headers decoded") {
  HttpFixture fixture;
  HttpClient client{fixture.port()};
  client.send("GET /%65cho?a=1%202&b=c+d&e HTTP/1.1\r\nHost: here\r\nX-A:  b c \r\n\r\n");
  const auto seen = boost::json::parse(client.receive().body);
  CHECK(seen.at("path") == "/echo");
  CHECK(seen.at("query").at("a") == "1 2");
  CHECK(seen.at("query").at("b") == "c d");
  CHECK(seen.at("query").at("e") == "");
  CHECK(seen.at("headers").at("x-a") == "b c");
}

TEST_CASE("pipelined requests are answered one by one in their order") {
  HttpFixture fixture;
  HttpClient client{fixture.port()};
  client.send(post("Content-Length: 1\r\n", "1") + post(kChunked, "1\r\n2\r\n0\r\n\r\n") +
              post("Content-Length: 1\r\n", "3"));
  for (const auto* expected : {"1", "2", "3"}) {
    CHECK(boost::json::parse(client.receive().body).at("body") == expected);
  }
}

TEST_CASE("a connection serves as many requests as the limit says") {
  HttpFixture fixture{{.max_requests_per_connection = 2}};
  HttpClient client{fixture.port()};
  client.send(get() + get() + get());
  CHECK_FALSE(client.receive().headers.contains("connection"));
  CHECK(client.receive().headers.at("connection") == "close");
  CHECK(client.at_end());
}

TEST_CASE("the client's wish to close or keep the connection is respected") {
  HttpFixture fixture;
  for (const std::string bytes :
       {"GET /echo HTTP/1.0\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"}) {
    HttpClient client{fixture.port()};
    client.send(bytes);
    CHECK(client.receive().headers.at("connection") == "close");
    CHECK(client.at_end());
  }
  HttpClient client{fixture.port()};
  client.send("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(client.receive().headers.at("connection") == "keep-alive");
}

TEST_CASE("HEAD gets the header of GET and no body") {
  HttpFixture fixture;
  HttpClient client{fixture.port()};
  client.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n" + get());
  CHECK(client.receive(true).headers.at("content-length") == "67108864");
  CHECK(client.receive().status == 200);  // not a byte of a body in between
}

TEST_CASE("every answer says who it belongs to and that it is not for caches") {
  HttpFixture fixture;
  HttpClient client{fixture.port()};
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  client.send(get("X-Request-Id: line-3.a_B\r\ntraceparent: " + trace + "\r\n"));
  auto reply = client.receive();
  CHECK(reply.headers.at("x-request-id") == "line-3.a_B");
  CHECK(reply.headers.at("traceparent") == trace);
  CHECK(reply.headers.at("cache-control") == "no-store");
  CHECK(reply.headers.at("x-content-type-options") == "nosniff");

  client.send(get("X-Request-Id: a b\r\ntraceparent: 00-0\r\n"));
  reply = client.receive();
  CHECK(reply.headers.at("x-request-id").size() == 26);
  CHECK_FALSE(reply.headers.contains("traceparent"));
}

TEST_CASE("a path without a route keeps the connection unless a body would have to be skipped") {
  HttpFixture fixture;
  HttpClient client{fixture.port()};
  client.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(client.receive().status == 404);
  client.send("DELETE /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  const auto reply = client.receive();
  CHECK(reply.status == 405);
  CHECK(reply.headers.at("allow") == "GET, HEAD, POST");
  CHECK(client.at_end());
}

TEST_CASE("100 Continue is sent for a body that will be read, and only then") {
  HttpFixture fixture;
  HttpClient client{fixture.port()};
  client.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n", ""));
  CHECK(client.receive().status == 100);
  client.send("12345");
  CHECK(boost::json::parse(client.receive().body).at("body") == "12345");
  client.send("PUT /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
  CHECK(client.receive().status == 413);
  CHECK(client.at_end());
}

TEST_CASE("a request that does not arrive in time is answered with 408") {
  HttpFixture fixture{{.header_timeout = 40ms, .body_timeout = 40ms, .min_body_rate = 1'000'000}};
  for (const auto& bytes :
       {std::string{"GET /echo HT"}, post("Content-Length: 500000\r\n", "12345"), post(kChunked, "5\r\n12")}) {
    CAPTURE(bytes);
    HttpClient client{fixture.port()};
    client.send(bytes);
    CHECK(client.receive().status == 408);
    CHECK(client.at_end());
    CHECK(fixture.wait_until_rejected("timeout"));
  }
}

TEST_CASE("a connection that asks for nothing is closed without a word") {
  HttpFixture fixture{{.header_timeout = 40ms, .idle_timeout = 40ms}};
  HttpClient silent{fixture.port()};
  CHECK(silent.at_end());
  HttpClient finished{fixture.port()};
  finished.send(get());
  CHECK(finished.receive().status == 200);
  CHECK(finished.at_end());
}

TEST_CASE("a client that does not read its answer is cut off") {
  HttpFixture fixture{{.write_timeout = 40ms}};
  HttpClient client{fixture.port()};
  client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(fixture.wait_until_rejected("timeout"));
}

TEST_CASE("connections over the limit are answered with 503") {
  const auto options = GENERATE(api::HttpOptions{.max_connections = 2}, api::HttpOptions{.max_connections_per_ip = 2});
  HttpFixture fixture{options};
  HttpClient first{fixture.port()};
  HttpClient second{fixture.port()};
  HttpClient third{fixture.port()};
  const auto reply = third.receive();
  CHECK(reply.status == 503);
  CHECK(reply.headers.at("retry-after") == "1");
  CHECK(third.at_end());
  CHECK(fixture.wait_until_rejected("connections"));
  first.send(get());
  CHECK(first.receive().status == 200);
}

TEST_CASE("bodies of all connections together stay below their limit") {
  HttpFixture fixture{{.max_body_bytes = 100'000}};
  HttpClient first{fixture.port()};
  first.send(post("Content-Length: 200000\r\n", std::string(200'000, 'x')));
  const auto reply = first.receive();
  CHECK(reply.status == 503);
  CHECK(reply.headers.at("retry-after") == "1");
  HttpClient second{fixture.port()};  // what the first had is given back
  second.send(post("Content-Length: 90000\r\n", std::string(90'000, 'x')));
  CHECK(second.receive().status == 200);
}

TEST_CASE("200 connections are served side by side") {
  HttpFixture fixture;
  std::vector<std::unique_ptr<HttpClient>> clients;
  const auto request = post("Content-Length: 5\r\n", "12345");
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<HttpClient>(fixture.port()));
    clients.back()->send(request.substr(0, request.size() / 2));
  }
  for (const auto& client : clients) client->send(request.substr(request.size() / 2));
  for (const auto& client : clients) CHECK(client->receive().status == 200);
  CHECK(fixture.server().connections() == 200);
}

TEST_CASE("stop() lets a request in flight finish and closes what is idle") {
  HttpFixture fixture;
  HttpClient idle{fixture.port()};
  idle.send(get());
  CHECK(idle.receive().status == 200);
  HttpClient busy{fixture.port()};
  busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  fixture.wait_until_waiting();

  std::promise<void> stopped;
  fixture.server().stop(10s, [&] { stopped.set_value(); });
  CHECK(idle.at_end());
  CHECK_THROWS(HttpClient{fixture.port()});
  fixture.release();
  const auto reply = busy.receive();
  CHECK(reply.status == 200);
  CHECK(reply.headers.at("connection") == "close");
  CHECK(busy.at_end());
  busy.finish_sending();
  CHECK(stopped.get_future().wait_for(10s) == std::future_status::ready);
}

TEST_CASE("stop() cuts off what is left when the grace period is over") {
  HttpFixture fixture;
  HttpClient busy{fixture.port()};
  busy.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  fixture.wait_until_waiting();
  std::promise<void> stopped;
  fixture.server().stop(20ms, [&] { stopped.set_value(); });
  CHECK(stopped.get_future().wait_for(10s) == std::future_status::ready);
  CHECK(busy.at_end());
}

TEST_CASE("an address that cannot be bound is named in the error") {
  HttpFixture fixture;
  boost::asio::io_context io;
  api::Router router;
  CHECK_THROWS_WITH(api::HttpServer(io, {.port = fixture.port()}, router),
                    Catch::Contains("127.0.0.1:" + std::to_string(fixture.port()) + ": Address already in use"));
  CHECK_THROWS_AS(api::HttpServer(io, {.address = "nowhere", .port = 0}, router), Error);
}
