// The small pure parts: targets, UTF-8, request ids, log lines.
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <cmath>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/log.hpp"
#include "api/request_id.hpp"
#include "api/target.hpp"
#include "api/utf8.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using namespace driftd::api;

TEST_CASE("a target is taken apart and decoded") {
  const auto target = parse_target("/a%20b/%C3%A9+?x=1%26&y=a+b%2B&&z");
  CHECK(target.path == "/a b/\xC3\xA9+");
  CHECK(target.query == std::map<std::string, std::string>{{"x", "1&"}, {"y", "a b+"}, {"z", ""}});
  CHECK(parse_target("/").path == "/");
  CHECK(parse_target("/a/").path == "/a/");
  CHECK(parse_target("//").path == "//");
  CHECK(parse_target("http://here:80/a?b").path == "/a");
}

TEST_CASE("a target that could be read in two ways is refused") {
  const auto target = GENERATE(as<std::string>{}, "", "*", "a", "?a", "/%", "/%4", "/%4g", "/%00", "/%0a", "/%7F",
                               "/%ff", "/%c0%af", "/a%2Fb", "/a%2fb", "/../a", "/a/..", "/%2e%2E/a", "/./a", "/a#b",
                               "/?a=%zz", "/?a=1&a=1", "/?a=1&%61=2", "/?a=%00", "http://here", "ftp://here/a");
  CAPTURE(target);
  CHECK_THROWS_AS(parse_target(target), Error);
}

TEST_CASE("UTF-8 is what RFC 3629 says it is") {
  CHECK(is_utf8("a\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"));
  const auto bad = GENERATE(as<std::string>{}, "\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE1\x80",
                            "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC2\xC2\x80");
  CHECK_FALSE(is_utf8(bad));
  CHECK(is_utf8(clean_utf8(bad, 100)));
}

TEST_CASE("cleaned text is cut between characters") {
  CHECK(clean_utf8("ab\xC3\xA9", 4) == "ab\xC3\xA9");
  CHECK(clean_utf8("ab\xC3\xA9", 3) == "ab");
  CHECK(clean_utf8("a\xFF\xC3", 3) == "a??");
}

TEST_CASE("request ids are ULIDs that sort by time and do not repeat") {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(new_request_id());
  CHECK(ids.size() == 1000);
  for (const auto& id : ids) {
    REQUIRE(id.size() == 26);
    REQUIRE(is_request_id(id));
    REQUIRE(id.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ") == std::string::npos);
  }
  const auto first_digits = ids.begin()->substr(0, 4);
  CHECK(first_digits >= "01KA");  // the years after 2025
  CHECK(first_digits < "0200");
}

TEST_CASE("a client's request id is taken only when it is sound") {
  CHECK(is_request_id("a"));
  CHECK(is_request_id(std::string(128, 'Z')));
  const auto bad =
      GENERATE(as<std::string>{}, "", std::string(129, 'a'), "a b", "a\"", "a/b", "\xC3\xA9", std::string(1, '\0'));
  CHECK_FALSE(is_request_id(bad));
}

TEST_CASE("a traceparent is taken only in the form of version 00") {
  const std::string sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  CHECK(is_traceparent(sound));
  CHECK_FALSE(is_traceparent("01" + sound.substr(2)));
  CHECK_FALSE(is_traceparent(sound + "0"));
  CHECK_FALSE(is_traceparent("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
  CHECK_FALSE(is_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  CHECK_FALSE(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
}

namespace {

// The lines logged while it lives.
class CapturedLog {
 public:
  CapturedLog() {
    set_log_sink([this](std::string_view line) { lines.emplace_back(line); });
  }
  ~CapturedLog() {
    set_log_sink({});
    set_log_level(LogLevel::info);
  }

  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("a log line is one JSON object whatever it is given") {
  CapturedLog captured;
  log(LogLevel::error, "a\nb\"\xFF" + std::string(1000, 'x'),
      {{"text", std::string(300, 'y')},
       {"count", std::int64_t{-3}},
       {"ratio", 0.5},
       {"nothing", std::nan("")},
       {"yes", true}});
  REQUIRE(captured.lines.size() == 1);
  CHECK(captured.lines[0].find('\n') == std::string::npos);
  const auto line = boost::json::parse(captured.lines[0]);
  CHECK(line.at("level") == "error");
  CHECK(line.at("message").as_string().size() == 256);
  CHECK(line.at("message").as_string().starts_with("a\nb\"?xxx"));
  CHECK(line.at("text").as_string().size() == 256);
  CHECK(line.at("count") == -3);
  CHECK(line.at("ratio") == 0.5);
  CHECK(line.at("nothing").is_null());
  CHECK(line.at("yes") == true);
  const auto time = boost::json::value_to<std::string>(line.at("time"));
  CHECK(time.size() == 24);
  CHECK(time[10] == 'T');
  CHECK(time[23] == 'Z');
}

TEST_CASE("lines below the level are dropped, and the level can change while running") {
  CapturedLog captured;
  log(LogLevel::debug, "one");
  set_log_level(LogLevel::debug);
  log(LogLevel::debug, "two");
  set_log_level(LogLevel::error);
  log(LogLevel::warn, "three");
  CHECK(captured.lines.size() == 1);
  CHECK(log_level() == LogLevel::error);
}

TEST_CASE("threads log whole lines") {
  CapturedLog captured;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i) log(LogLevel::info, "line", {{"i", std::int64_t{i}}});
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(captured.lines.size() == 400);
}
