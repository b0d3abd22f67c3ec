#include "api/framing.hpp"

#include <algorithm>
#include <random>

#include "tests/support/catch.hpp"

using namespace driftd::api;
using namespace std::string_view_literals;

namespace {

constexpr std::size_t kLimit = 1024 * 1024;

struct Outcome {
  Refusal refusal;
  std::string body;
  std::string rest;
  bool done = false;
};

// Pushes wire in pieces of at most piece bytes.
Outcome decode(std::string_view wire, std::size_t piece, std::size_t limit = kLimit) {
  BodyDecoder decoder{{.chunked = true}, limit};
  Outcome outcome;
  while (!wire.empty() && !decoder.done() && !outcome.refusal) {
    auto input = wire.substr(0, piece);
    const auto size = input.size();
    outcome.refusal = decoder.push(input, outcome.body);
    wire.remove_prefix(size - input.size());
  }
  outcome.rest = wire;
  outcome.done = decoder.done();
  return outcome;
}

std::string chunk(std::string_view data, std::string_view extension = {}) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx", data.size());
  return size + std::string{extension} + "\r\n" + std::string{data} + "\r\n";
}

std::string repeat(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("what follows a length may be put into the body elsewhere, and nothing of chunks may") {
  std::string body;
  BodyDecoder decoder{{.content_length = 10}, kLimit};
  CHECK(decoder.plain() == 10);
  auto input = "1234"sv;
  CHECK(!decoder.push(input, body));
  CHECK((decoder.plain() == 6 && input.empty() && body == "1234"));
  decoder.added(5);
  CHECK((decoder.plain() == 1 && !decoder.done()));
  input = "5next"sv;
  CHECK(!decoder.push(input, body));
  CHECK((decoder.done() && decoder.plain() == 0 && input == "next" && body == "12345"));

  BodyDecoder chunked{{.chunked = true}, kLimit};
  input = "5\r\n12"sv;
  CHECK(!chunked.push(input, body));
  CHECK((chunked.plain() == 0 && !chunked.done()));
}

TEST_CASE("a chunked body decodes to what was encoded, and leaves what follows it") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  for (int round = 0; round < 200; ++round) {
    std::string body;
    std::string wire;
    for (auto chunks = random() % 8; chunks > 0; --chunks) {
      std::string data(1 + random() % 100, '\0');
      std::ranges::generate(data, [&] { return static_cast<char>(random()); });
      body += data;
      wire += chunk(data, random() % 2 ? ";a=\"b\"" : "");
    }
    const auto outcome = decode(wire + "0\r\n\r\nnext", 1 + random() % 50);
    REQUIRE_FALSE(outcome.refusal);
    REQUIRE(outcome.done);
    REQUIRE(outcome.body == body);
    REQUIRE(outcome.rest == "next");
  }
}

TEST_CASE("a damaged chunked body gets the same verdict whole and in single bytes") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  const auto sound = chunk("hello", ";a=b") + chunk("world!") + "0\r\n\r\n";
  const auto alphabet = "\r\n\t ;=\"0123456789abcdefxyz-+\x80\0"sv;
  for (int round = 0; round < 5000; ++round) {
    auto wire = sound;
    for (auto edits = 1 + random() % 3; edits > 0; --edits)
      wire[random() % wire.size()] = alphabet[random() % alphabet.size()];
    CAPTURE(wire);
    const auto whole = decode(wire, wire.size());
    const auto pieces = decode(wire, 1);
    REQUIRE(whole.refusal.status == pieces.refusal.status);
    REQUIRE(whole.done == pieces.done);
    REQUIRE(whole.body == pieces.body);
  }
}

TEST_CASE("chunk extensions are bounded in all") {
  const auto one = chunk(std::string(100, 'x'), ";" + std::string(1000, 'a'));
  CHECK_FALSE(decode(repeat(one, 16), 4096).refusal);
  CHECK(decode(repeat(one, 17), 4096).refusal.status == 400);
}

TEST_CASE("a body of tiny chunks is refused once it is long") {
  CHECK_FALSE(decode(repeat(chunk("x"), 10'000), 4096).refusal);
  CHECK(decode(repeat(chunk("x"), 20'000), 4096).refusal.status == 400);
  CHECK_FALSE(decode(repeat(chunk("0123456789abcdef"), 20'000), 4096).refusal);
}

TEST_CASE("a body may be as long as its limit and no byte longer") {
  const auto full = decode(chunk("12345") + chunk("12345") + "0\r\n\r\n", 100, 10);
  CHECK(full.done);
  CHECK(full.body == "1234512345");
  CHECK(decode(chunk("12345") + chunk("123456"), 100, 10).refusal.status == 413);
}

TEST_CASE("the end of a header section is found at its last byte") {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t size = 0; size < head.size(); ++size) {
    HeadScanner scanner{{}};
    REQUIRE_FALSE(scanner.scan(std::string_view{head}.substr(0, size)));
    REQUIRE(scanner.size() == 0);
    REQUIRE_FALSE(scanner.scan(head + "body"));
    REQUIRE(scanner.size() == head.size());
  }
}

TEST_CASE("limits of a header section are inclusive") {
  const std::string head = "GET /abc HTTP/1.1\r\na: b\r\nc: d\r\n\r\n";
  const auto verdict = [&](HeadLimits limits) {
    HeadScanner scanner{limits};
    return scanner.scan(head).status;
  };
  CHECK(verdict({.bytes = head.size(), .fields = 2, .target = 4}) == 0);
  CHECK(verdict({.bytes = head.size() - 1, .fields = 2, .target = 4}) == 431);
  CHECK(verdict({.bytes = head.size(), .fields = 1, .target = 4}) == 431);
  CHECK(verdict({.bytes = head.size(), .fields = 2, .target = 3}) == 414);
}
