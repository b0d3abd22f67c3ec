#include "api/image_body.hpp"

#include "core/error.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

Request request(std::string content_type, std::string body) {
  Request r;
  r.headers = {{"content-type", std::move(content_type)}};
  r.body = std::move(body);
  return r;
}

std::string image_of(const Request& r) {
  const auto body = read_image_body(r, 1000);
  const auto bytes = std::get<ImageBytes>(body).bytes;
  return {bytes.begin(), bytes.end()};
}

Errc refusal(const Request& r) {
  try {
    (void)read_image_body(r, 1000);
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("accepted: " << r.body);
  return Errc::internal;
}

}  // namespace

TEST_CASE("a raw image is viewed where it lies") {
  const auto r = request("Image/JPEG; q=1", "bytes");
  const auto body = read_image_body(r, 1000);
  CHECK(reinterpret_cast<const char*>(std::get<ImageBytes>(body).bytes.data()) == r.body.data());
}

TEST_CASE("base64 of every length comes back") {
  const auto [text, bytes] =
      GENERATE(table<std::string, std::string>({{"YQ==", "a"}, {"YWI=", "ab"}, {"YWJj", "abc"}, {"YWJjZA==", "abcd"}}));
  CHECK(image_of(request("application/json", R"({"image": ")" + text + R"("})")) == bytes);
}

TEST_CASE("a vector is read as numbers") {
  const auto body = read_image_body(request("application/json", R"({"vector": [1, -2.5, 3e0]})"), 1000);
  CHECK(std::get<Vector>(body) == Vector{1, -2.5F, 3});
}

TEST_CASE("what is not an image or a vector is refused") {
  const auto json = [](std::string text) { return refusal(request("application/json", std::move(text))); };
  CHECK(json("") == Errc::invalid_argument);
  CHECK(json("[1]") == Errc::invalid_argument);
  CHECK(json(R"({"image": "YQ="})") == Errc::invalid_argument);
  CHECK(json(R"({"image": "Y*=="})") == Errc::invalid_argument);
  CHECK(json(R"({"image": ""})") == Errc::invalid_argument);
  CHECK(json(R"({"image": "YQ==", "vector": [1]})") == Errc::invalid_argument);
  CHECK(json(R"({"vector": [1e999]})") == Errc::invalid_argument);
  CHECK(json(R"({"vector": [1e300]})") == Errc::invalid_argument);
  CHECK(json(R"({"vector": ["1"]})") == Errc::invalid_argument);
  CHECK(refusal(request("image/jpeg", "")) == Errc::invalid_argument);
  CHECK(refusal(request("image/jpeg", std::string(1001, 'x'))) == Errc::too_large);
  CHECK(refusal(request("image/tiff", "II*")) == Errc::unsupported_media);
  CHECK(refusal(request("", "x")) == Errc::unsupported_media);
}
