#include "api/json_body.hpp"

#include "api/paging.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::api;
using Catch::Contains;

TEST_CASE("fields of a body are read, and missing ones are empty") {
  const JsonBody body{R"({"note": "a\nb", "n": 7, "t": "2026-01-02T03:04:05Z"})", {"note", "n", "t", "who"}};
  CHECK(body.text("note", 10) == "a\nb");
  CHECK(body.text("who", 10).empty());
  CHECK(body.integer("n", 1, 7) == 7);
  CHECK_FALSE(body.integer("m", 1, 7));
  CHECK(body.time_ms("t") == 1767323045000);
  CHECK_FALSE(JsonBody{"", {"a"}}.has("a"));
}

TEST_CASE("a body that is not as it should be is refused with the field's name") {
  const auto text = GENERATE(as<std::string>{}, "[]", "{", "nul", R"({"x": 1})", R"({"a": 1})", R"({"a": "123456"})",
                             R"({"a": "\u0007"})", R"({"n": "1"})", R"({"n": 1.5})", R"({"n": 0})", R"({"n": 8})",
                             R"({"n": 1e99})", R"({"t": "yesterday"})", "{\"a\": \"\xff\"}");
  CAPTURE(text);
  CHECK(test::code_of([&] {
          const JsonBody body{text, {"a", "n", "t"}};
          return body.text("a", 5) +
                 std::to_string(body.integer("n", 1, 7).value_or(0) + body.time_ms("t").value_or(0));
        }) == Errc::invalid_argument);
}

TEST_CASE("times by RFC 3339 are read, and come back as written") {
  struct Case {
    const char* text;
    std::int64_t ms;
  };
  const auto c = GENERATE(values<Case>({{"1970-01-01T00:00:00Z", 0},
                                        {"2026-01-02T03:04:05.678Z", 1767323045678},
                                        {"2026-01-02t03:04:05.678912z", 1767323045678},
                                        {"2026-01-02T05:04:05+02:00", 1767323045000},
                                        {"2026-01-01T21:34:05.5-05:30", 1767323045500},
                                        {"2024-02-29T00:00:00Z", 1709164800000}}));
  CAPTURE(c.text);
  REQUIRE(parse_rfc3339(c.text) == c.ms);
  CHECK(parse_rfc3339(rfc3339(c.ms)) == c.ms);
}

TEST_CASE("what is no time by RFC 3339 is nothing") {
  const auto text = GENERATE(as<std::string>{}, "", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04Z",
                             "2026-13-02T03:04:05Z", "2025-02-29T00:00:00Z", "2026-01-02T24:04:05Z",
                             "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z", "1969-01-02T03:04:05Z",
                             "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+2:00",
                             "+026-01-02T03:04:05Z", "2026-01-02T03:04:05+25:00", "1970-01-01T00:00:00+01:00");
  CAPTURE(text);
  CHECK_FALSE(parse_rfc3339(text));
}

TEST_CASE("a page has a limit and a cursor") {
  Request request;
  CHECK(page_limit(request) == 50);
  CHECK_FALSE(page_cursor(request));
  request.query = {{"limit", "500"}, {"cursor", to_text({17, "alert-17-1"})}};
  CHECK(page_limit(request) == 500);
  CHECK(page_cursor(request)->number == 17);
  CHECK(page_cursor(request)->id == "alert-17-1");
  request.query["limit"] = GENERATE(as<std::string>{}, "0", "501", "-1", "", "1x", "99999999999999999999");
  CHECK(test::code_of([&] { return page_limit(request); }) == Errc::invalid_argument);
  request.query["cursor"] = GENERATE(as<std::string>{}, "", "x", ".1", "99999999999999999999");
  CHECK(test::code_of([&] { return page_cursor(request); }) == Errc::invalid_argument);
}
