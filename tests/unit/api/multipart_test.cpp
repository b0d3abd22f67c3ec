#include "api/multipart.hpp"

#include <chrono>
#include <random>

#include "core/error.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using api::parse_multipart;
using namespace std::string_view_literals;

namespace {

const std::string kType = "multipart/form-data; boundary=AaB03x";

std::string part(const std::string& headers, const std::string& content) {
  return "--AaB03x\r\n" + headers + "\r\n\r\n" + content + "\r\n";
}

std::string file(const std::string& content) {
  return part("Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg", content);
}

const std::string kEnd = "--AaB03x--\r\n";

}  // namespace

TEST_CASE("a multipart body gives its parts as views of the body") {
  const auto body = file("bytes\r\nwith --AaB03 near misses\r\n--AaB03xy\r\n") +
                    part("content-disposition: FORM-DATA; NAME=stream", "line-3") + kEnd;
  const auto parts = parse_multipart(kType, body);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].name == "file");
  CHECK(parts[0].filename == "a.jpg");
  CHECK(parts[0].content_type == "image/jpeg");
  CHECK(parts[0].content == "bytes\r\nwith --AaB03 near misses\r\n--AaB03xy\r\n");
  CHECK(parts[1].name == "stream");
  CHECK(parts[1].filename.empty());
  CHECK(parts[1].content == "line-3");
  CHECK(parts[1].content.data() >= body.data());
  CHECK(parts[1].content.data() < body.data() + body.size());
}

TEST_CASE("shapes that RFC 2046 allows are read") {
  CHECK(parse_multipart(kType, "preamble\r\n" + file("x") + kEnd + "epilogue").front().content == "x");
  CHECK(parse_multipart("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"AaB03x\"", file("x") + kEnd).front().content ==
        "x");
  CHECK(parse_multipart(kType, "--AaB03x \t\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--AaB03x--")
            .front()
            .content.empty());
  CHECK(parse_multipart(kType, kEnd).empty());
}

TEST_CASE("a part named with quotes and semicolons is read to its closing quote") {
  const auto body = part("Content-Disposition: form-data; name=\"a;b=\\\"c\"; filename=\"d;name=e\"", "x") + kEnd;
  const auto parts = parse_multipart(kType, body);
  CHECK(parts.front().name == "a;b=\\\"c");
  CHECK(parts.front().filename == "d;name=e");
}

TEST_CASE("a malformed multipart body is refused") {
  const auto [type, body] = GENERATE(table<std::string, std::string>({
      {"multipart/form-data", file("x") + kEnd},
      {"multipart/mixed; boundary=AaB03x", file("x") + kEnd},
      {"application/json", file("x") + kEnd},
      {"multipart/form-data; boundary=", file("x") + kEnd},
      {"multipart/form-data; boundary=\"AaB03x", file("x") + kEnd},
      {"multipart/form-data; boundary=\"a b \"", "--a b \r\n"},
      {"multipart/form-data; boundary=" + std::string(71, 'a'), "--" + std::string(71, 'a') + "--"},
      {"multipart/form-data; boundary=a\xFF", "--a\xFF--"},
      {"multipart/form-data; boundary=AaB03x; boundary=b", file("x") + kEnd},
      {kType, ""},
      {kType, file("x")},
      {kType, file("x") + "--AaB03x-"},
      {kType, "--AaB03x\r\n" + kEnd},
      {kType, part("Content-Type: image/jpeg", "x") + kEnd},
      {kType, part("Content-Disposition: form-data", "x") + kEnd},
      {kType, part("Content-Disposition: attachment; name=a", "x") + kEnd},
      {kType, part("Content-Disposition: form-data; name=a; name=b", "x") + kEnd},
      {kType, part("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b", "x") + kEnd},
      {kType, part("Content-Disposition: form-data; name=\"a", "x") + kEnd},
      {kType, part("Content-Disposition: form-data;\r\n name=a", "x") + kEnd},
      {kType, part("Content-Disposition: form-data; name=\"a\nb\"", "x") + kEnd},
      {kType, part("Content-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; boundary=b", "x") + kEnd},
      {kType, part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", "eA==") + kEnd},
      {kType, part("Content-Disposition: form-data; name=a\r\nX-A: " + std::string(4096, 'a'), "x") + kEnd},
  }));
  CAPTURE(type, body);
  CHECK_THROWS_AS(parse_multipart(type, body), Error);
}

TEST_CASE("there may be as many parts as the limit says") {
  std::string body;
  for (int i = 0; i < 3; ++i) body += file("x");
  CHECK(parse_multipart(kType, body + kEnd, 3).size() == 3);
  CHECK_THROWS_AS(parse_multipart(kType, body + kEnd, 2), Error);
}

TEST_CASE("no cut or edit of a multipart body does worse than an error") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  const auto sound = file("one") + file("two") + kEnd;
  const auto alphabet = "\r\n-\";= :AaB03x\0\xFF"sv;
  std::size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto body = sound.substr(0, random() % 4 == 0 ? random() % sound.size() : sound.size());
    for (auto edits = random() % 4; edits > 0 && !body.empty(); --edits)
      body[random() % body.size()] = alphabet[random() % alphabet.size()];
    try {
      for (const auto& each : parse_multipart(kType, body)) REQUIRE(each.content.size() <= body.size());
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE("16 MiB of near boundaries are searched in linear time") {
  const std::string boundary(70, 'a');
  const auto near = GENERATE_COPY(as<std::string>{}, "\r\n--" + boundary.substr(1) + "b", "\r\n--" + boundary + "b",
                                  "\r", "\r\n--", "a");
  std::string body = "--" + boundary + "\r\nContent-Disposition: form-data; name=a\r\n\r\n";
  while (body.size() < 16 * 1024 * 1024) body += near;
  body += "\r\n--" + boundary + "--";
  const auto begin = std::chrono::steady_clock::now();
  CHECK(parse_multipart("multipart/form-data; boundary=" + boundary, body).size() == 1);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  WARN("16 MiB of near boundaries: " << elapsed.count() << " s");
  CHECK(elapsed.count() < 5.0);  // quadratic would be hours
}
