// The detectors of a Monitor's streams: the alerts that they raise beside that of the rates, and which streams have
// them.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "drift/monitor.hpp"
#include "drift/profile.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/monitors.hpp"

using namespace driftd;
using namespace driftd::drift;
using namespace driftd::test;

TEST_CASE("the e-detector fires on a few strange images and says when the drift began") {
  Recorder seen;
  Monitor monitor{with_detector(), seen.receiver()};
  observe(monitor, normal(), 200);
  observe(monitor, strange(), 8);
  REQUIRE(seen.alerts.size() == 1);
  const auto& fired = seen.alerts[0];
  CHECK(fired.rule == "e-detector");
  CHECK(fired.started.image == 201);
  CHECK(fired.fired.image > 201);
  CHECK(fired.fired.image <= 208);
  CHECK(fired.threshold == limit_for(10'000));
  CHECK(fired.false_alarm_per_image == 1e-4);
  CHECK(fired.evidence.front().p_value == 0.001);
  const auto stream = monitor.stream("line-1").value();
  CHECK_FALSE(stream.detector(kRateRule)->alert.has_value());
  CHECK(stream.most_urgent()->id == fired.id);
  CHECK(stream.detector(kDetectorRule)->reading.value >= stream.detector(kDetectorRule)->reading.limit);
}

TEST_CASE("the e-detector's alert resolves after calm images and leaves a fresh detector") {
  Recorder seen;
  Monitor monitor{with_detector(), seen.receiver()};
  observe(monitor, strange(), 8);
  const auto drifted = monitor.stream("line-1").value();
  for (int i = 0; i < 1000 && monitor.stream("line-1")->detector(kDetectorRule)->alert; ++i)
    observe(monitor, normal(), 1);
  REQUIRE(seen.alerts.size() == 2);
  CHECK(seen.alerts[1].id == drifted.detector(kDetectorRule)->alert->id);
  CHECK(seen.alerts[1].state == AlertState::resolved);
  CHECK(seen.alerts[1].resolved.image >= seen.alerts[0].fired.image + 20);
  CHECK(monitor.stream("line-1")->detector(kDetectorRule)->reading.value == 1);
}

TEST_CASE("each rule raises its own alert and the window's is the more urgent") {
  auto options = quick();
  options.run_length = 10'000;
  Monitor monitor{options, {}};
  const auto seen = observe(monitor, strange(), 20);
  CHECK(monitor.alerts().size() == 2);
  CHECK(seen.alert->rule == "ood-rate");
  const auto stream = monitor.stream("line-1").value();
  CHECK(stream.detector(kRateRule)->alert->id != stream.detector(kDetectorRule)->alert->id);
  monitor.reset("line-1", 5000);
  for (const auto& alert : monitor.alerts()) CHECK(alert.state == AlertState::resolved);
  CHECK(monitor.stream("line-1")->detector(kDetectorRule)->reading.channels.empty());
  observe(monitor, normal(), 1);
  CHECK(monitor.stream("line-1")->detector(kDetectorRule)->reading.value < 1);
}

TEST_CASE("a reference that changes restarts the detector, too") {
  Monitor monitor{with_detector(), {}};
  observe(monitor, strange(), 2);
  REQUIRE(monitor.stream("line-1")->detector(kDetectorRule)->reading.value > 1);
  (void)monitor.observe("line-1", {"default@2", 1000, 0.05}, normal(), 5);
  CHECK(monitor.stream("line-1")->detector(kDetectorRule)->reading.value < 1);
}

TEST_CASE("a drift that lasts keeps its alert: what is seen while it fires does not become normal") {
  Recorder seen;
  Monitor monitor{with_detector(), seen.receiver()};
  observe(monitor, normal(), 200);
  observe(monitor, strange(), 5000);
  CHECK(std::ranges::count(seen.alerts, kDetectorRule, &Alert::rule) == 1);
  CHECK(monitor.stream("line-1")->detector(kDetectorRule)->alert.has_value());
}

namespace {

// Brightness from 0 to 0.99, every image 28 wide.
ReferenceVersion with_properties() {
  std::vector<float> brightness(100);
  for (std::size_t i = 0; i < brightness.size(); ++i) brightness[i] = static_cast<float>(i) / 100;
  const Profile profile{{"brightness", brightness}, {"width", std::vector<float>(100, 28)}};
  auto reference = kReference;
  reference.watched = std::make_shared<const std::vector<EDetector::Channel>>(channels_of(profile));
  return reference;
}

Result image(float brightness, float width = 28) {
  auto result = normal();
  result.watched = {brightness, width};
  return result;
}

}  // namespace

TEST_CASE("images that turn dark raise an alert that says so, though their scores are typical") {
  Recorder seen;
  Monitor monitor{with_detector(), seen.receiver()};
  const auto reference = with_properties();
  for (int i = 0; i < 200; ++i) (void)monitor.observe("s", reference, image(static_cast<float>(i * 37 % 100) / 100), i);
  REQUIRE(seen.alerts.empty());
  for (int i = 0; i < 100; ++i) (void)monitor.observe("s", reference, image(-0.1F), 200 + i);
  REQUIRE(seen.alerts.size() == 1);
  const auto& moved = seen.alerts[0].moved;
  REQUIRE(!moved.empty());
  CHECK(moved[0].name == "brightness");
  CHECK_FALSE(moved[0].upper);
  CHECK(moved[0].rank < 0.5);
  CHECK(moved[0].share > 0.5);
  CHECK(seen.alerts[0].started.image == 201);
  const auto detector = monitor.stream("s")->detector(kDetectorRule)->reading;
  REQUIRE(detector.groups.size() == 2);
  CHECK(detector.groups[1].value > detector.groups[0].value);
}

TEST_CASE("vectors, which have no properties, share a stream with images") {
  Monitor monitor{with_detector(), {}};
  (void)monitor.observe("s", with_properties(), normal(), 0);
  (void)monitor.observe("s", with_properties(), image(0.5F), 1);
  (void)monitor.observe("s", with_properties(), normal(), 2);
  CHECK(monitor.stream("s")->detector(kDetectorRule)->reading.groups.size() == 2);
}

TEST_CASE("streams that match a pattern are watched by detectors, and with a run length, of their own") {
  auto options = quick();
  options.run_length = 20'000;
  options.rules = {{"flags-*", options.rule, 5'000, {{"ood-cusum"}}}, {"rates", options.rule, 0, {}}};
  Recorder seen;
  Monitor monitor{options, seen.receiver()};
  for (const auto* stream : {"flags-1", "rates", "other"}) observe(monitor, strange(), 20, stream);
  const auto rules_of = [&](std::string_view stream) {
    std::vector<std::string> rules;
    for (const auto& alert : monitor.alerts()) {
      if (alert.stream == stream) rules.push_back(alert.rule);
    }
    std::ranges::sort(rules);
    return rules;
  };
  CHECK(rules_of("flags-1") == std::vector<std::string>{"ood-cusum"});
  CHECK(seen.alerts[0].false_alarm_per_image == 1.0 / 5000);
  CHECK(monitor.stream("rates")->detectors.size() == 1);
  CHECK(monitor.stream("other")->detectors.size() == 2);
  CHECK(monitor.stream("other")->detector("e-detector")->reading.limit == limit_for(20'000));
}

TEST_CASE("a detector that does not exist, is named twice or needs a window that is off is refused") {
  auto options = quick();
  for (const auto& names : std::vector<std::vector<std::string>>{{"cusum"}, {"ks", "ks"}, {"ood-rate-time"}}) {
    options.run_length = 10'000;
    options.detectors = names;
    CHECK(test::code_of([&] { return Monitor{options, {}}, 0; }) == Errc::invalid_argument);
  }
}
