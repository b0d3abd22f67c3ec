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
  auto config = parse(
      R"({"references": {"default": "a \"b\""}, "scoring": {"alpha": 0.01}, "webhooks": [{"url": "http://x/"}]})");
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
  const auto config =
      load_config({}, {"http.port=3", "data_directory=123"}, {{"http.port", "2"}, {"streams.window", "50"}});
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
  refused([](auto& c) { c.webhooks.push_back({.url = "https://x", .format = "xml"}); });
  refused([](auto& c) { c.webhooks.push_back({.url = "https://x", .events = {"alert.pending"}}); });
  refused([](auto& c) { c.webhooks.push_back({.url = "https://x", .timeout_ms = 0}); });
  refused([](auto& c) { c.alerts.rules = {{.streams = "line 1"}}; });
  refused([](auto& c) { c.alerts.rules = {{.streams = "*", .threshold = 0.05}}; });
  refused([](auto& c) { c.alerts.rules = {{.streams = "*", .min_images = 501}}; });
  refused([](auto& c) { c.alerts.rules = {{.streams = "*", .resolve_below = 0.2}}; });
  refused([](auto& c) { c.alerts.repeat_s = 1; });
  refused([](auto& c) { c.alerts.run_length = 999; });
  refused([](auto& c) { c.alerts.detectors = {"e-detector", "cusum"}; });
  refused([](auto& c) { c.alerts.detectors = {"ks", "ks"}; });
  refused([](auto& c) { c.alerts.detectors = {"ood-rate-time"}; });  // there is no window by time
  refused([](auto& c) { c.alerts.rules = {{.streams = "*", .run_length = 200'001}}; });
  refused([](auto& c) { c.alerts.rules = {{.streams = "*", .run_length = 4000, .detectors = {{"ood-count"}}}}; });
  refused([](auto& c) { c.retrain.mode = "always"; });
  refused([](auto& c) { c.retrain.mode = "auto"; });
  refused([](auto& c) { c.retrain.command_timeout_s = 0; });
  refused([](auto& c) { c.retrain.activate = "always"; });
  refused([](auto& c) { c.retrain.activate_below = 1; });
  refused([](auto& c) { c.retrain.activate_min_images = 0; });
  refused([](auto& c) { c.retrain.activate = "shadow", c.shadow.window = c.retrain.activate_min_images - 1; });
  refused([](auto& c) { c.shadow.window = 100'001; });
  refused([](auto& c) { c.alerts.accuracy_run_length = 99; });
  refused([](auto& c) { c.alerts.accuracy_drop = 1; });
  refused([](auto& c) { c.review.max_items = 5001; });
  refused([](auto& c) { c.review.random_share = 1.1; });
  refused([](auto& c) { c.review.stream_share = 0; });
  refused([](auto& c) { c.review.image_side = 31; });
}

TEST_CASE("a rule for some streams takes what it does not say from the settings of all") {
  const auto config = parse(
      R"({"alerts": {"min_images": 7, "rules": [{"streams": "line-*", "threshold": 0.06, "cooldown_s": 2}, {"streams": "x"}]}})");
  REQUIRE(config.alerts.rules.size() == 2);
  const auto rule = alert_rule(config.alerts, config.alerts.rules[0]);
  CHECK(rule.threshold == 0.06);
  CHECK(rule.min_size == 7);
  CHECK(rule.resolve_below == 0.06);  // the 0.08 of all would be above the threshold
  CHECK(rule.cooldown_ms == 2000);
  CHECK(alert_rule(config.alerts, config.alerts.rules[1]).resolve_below == 0.08);
  CHECK(to_json(parse(to_json(config))) == to_json(config));
  CHECK_FALSE(config.alerts.rules[0].detectors.has_value());
  const auto own = parse(
      R"({"alerts": {"detectors": ["ood-rate"], "rules": [{"streams": "x", "detectors": ["ks"], "run_length": 5000}]}})");
  CHECK(own.alerts.detectors == std::vector<std::string>{"ood-rate"});
  CHECK(own.alerts.rules[0].detectors == std::vector<std::string>{"ks"});
  CHECK(own.alerts.rules[0].run_length == 5000);
  CHECK(to_json(parse(to_json(own))) == to_json(own));
  CHECK_THROWS_WITH(parse(R"({"alerts": {"rules": [{"streams": "x", "treshold": 0.1}]}})"),
                    Contains("alerts.rules[0].treshold"));
}
