#include "api/config.hpp"

#include "core/error.hpp"
#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;
using Catch::Contains;

namespace {

Config parse(const std::string& text) {
  test::TempDir dir;
  write_file_atomically(dir / "c.json", text);
  return load_config(dir / "c.json", {}, {});
}

}  // namespace

TEST_CASE("an empty file means the defaults") {
  CHECK(to_json(parse("{}")) == to_json(Config{}));
}

TEST_CASE("what is printed is a configuration that prints the same") {
  auto config = parse(R"({"references": {"default": "a \"b\""}, "scoring": {"alpha": 0.01}, "webhooks": [{"url": "http://x/"}]})");
  CHECK(to_json(parse(to_json(config))) == to_json(config));
  CHECK(config.webhooks.at(0).timeout_ms == 5000);
  CHECK_THAT(to_json(config), Contains("\"alpha\": 0.01"));
}

TEST_CASE("an unknown key or a wrong type is refused with its path") {
  CHECK_THROWS_WITH(parse(R"({"alerts": {"treshold": 0.1}})"), Contains("alerts.treshold"));
  CHECK_THROWS_WITH(parse(R"({"http": {"port": "80"}})"), Contains("http.port"));
  CHECK_THROWS_WITH(parse(R"({"http": {"port": -1}})"), Contains("http.port"));
  CHECK_THROWS_WITH(parse(R"({"http": []})"), Contains("http"));
  CHECK_THROWS_WITH(parse(R"({"webhooks": [{"url": 7}]})"), Contains("webhooks[0].url"));
  CHECK_THROWS_WITH(parse(R"({"scoring": {"alpha": 1e999}})"), Contains("scoring.alpha"));
  CHECK_THROWS_WITH(parse("{"), Contains("not JSON"));
}

TEST_CASE("a flag beats the environment, which beats the file") {
  const auto config = load_config({}, {"http.port=3", "data_directory=123"}, {{"http.port", "2"}, {"streams.window", "50"}});
  CHECK(config.http.port == 3);
  CHECK(config.streams.window == 50);
  CHECK(config.data_directory == "123");
  CHECK_THROWS_AS(load_config({}, {"http.port"}, {}), Error);
}

TEST_CASE("a configuration that cannot work is refused before anything starts") {
  Config sound;
  sound.references["default"] = "somewhere";
  sound.data_directory = "somewhere";
  CHECK_NOTHROW(check_config(sound));
  const auto refused = [&](auto change) {
    auto config = sound;
    change(config);
    CHECK_THROWS_AS(check_config(config), Error);
  };
  refused([](auto& c) { c.http.address = "0.0.0.0"; });
  refused([](auto& c) { c.references.clear(); });
  refused([](auto& c) { c.data_directory.clear(); });
  refused([](auto& c) { c.scoring.rule = "magic"; });
  refused([](auto& c) { c.scoring.alpha = 0; });
  refused([](auto& c) { c.alerts.resolve_below = 0.5; });
  refused([](auto& c) { c.scoring.alpha = 0.1; });
  refused([](auto& c) { c.streams.save_interval_ms = 0; });
  refused([](auto& c) { c.http.max_connections = 0; });
  refused([](auto& c) { c.alerts.min_images = c.streams.window + 1; });
  refused([](auto& c) { c.webhooks.push_back({.url = "ftp://x"}); });
}
