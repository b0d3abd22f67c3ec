#include "drift/silence.hpp"

#include <random>
#include <regex>
#include <vector>

#include "tests/support/catch.hpp"

using namespace driftd::drift;

TEST_CASE("a pattern matches names by stars and question marks") {
  CHECK(matches("line-*", "line-"));
  CHECK(matches("line-*", "line-12"));
  CHECK(matches("*", "x"));
  CHECK(matches("*-?", "line-3"));
  CHECK(matches("a*b*c", "aXbYbZc"));
  CHECK_FALSE(matches("line-?", "line-"));
  CHECK_FALSE(matches("line-?", "line-12"));
  CHECK_FALSE(matches("line", "line-1"));
  CHECK_FALSE(matches("a*b*c", "acb"));
  CHECK_FALSE(matches("", "x"));
}

TEST_CASE("a pattern agrees with the regular expression that it abbreviates") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  const auto text = [&](std::string_view alphabet) {
    std::string made(random() % 7, 'a');
    for (auto& c : made) c = alphabet[random() % alphabet.size()];
    return made;
  };
  for (int i = 0; i < 3000; ++i) {
    const auto pattern = text("ab*?");
    const auto name = text("ab");
    std::string expression;
    for (const char c : pattern) expression += c == '*' ? ".*" : c == '?' ? "." : std::string{c};
    CAPTURE(pattern, name);
    REQUIRE(matches(pattern, name) == std::regex_match(name, std::regex{expression}));
  }
}

TEST_CASE("a pattern that costs a backtracking matcher minutes is answered at once") {
  CHECK_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(64, 'a')));
}

TEST_CASE("what a pattern may hold") {
  CHECK(is_stream_pattern("line-*.cam_?"));
  CHECK_FALSE(is_stream_pattern(""));
  CHECK_FALSE(is_stream_pattern("a b"));
  CHECK_FALSE(is_stream_pattern(std::string(65, 'a')));
}

TEST_CASE("a stream is silent until the last of its active silences ends") {
  const std::vector<Silence> silences{
      {"1", "line-*", 10, 50, "", ""}, {"2", "line-1", 10, 90, "", ""}, {"3", "*", 95, 99, "", ""}};
  CHECK(silenced_until(silences, "line-1", 9) == 0);
  CHECK(silenced_until(silences, "line-1", 10) == 90);
  CHECK(silenced_until(silences, "line-2", 10) == 50);
  CHECK(silenced_until(silences, "line-2", 50) == 0);
  CHECK(silenced_until(silences, "other", 20) == 0);
  CHECK(silenced_until(silences, "other", 98) == 99);
}
