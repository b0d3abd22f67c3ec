#include "drift/monitor.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <stdexcept>
#include <thread>

#include "drift/profile.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

const ReferenceVersion kReference{"default@1", 1000, 0.05};

// Fires after 10 strange images, resolves 3 images after the rate fell below a half. Without the e-detector.
MonitorOptions quick() {
  MonitorOptions options;
  options.window = 10;
  options.rule = {.threshold = 0.5, .resolve_below = 0.5, .min_size = 5, .for_images = 2, .resolve_after = 3};
  options.run_length = 0;
  options.max_streams = 3;
  options.max_alerts = 2;
  return options;
}

Result strange(double p = 0.001) {
  return {5, p, true, 1.5, "request", {{"7", "cat", "train/7.png", 0.9}}};
}
Result normal() {
  return {0, 0.5, false, 0.4, "", {}};
}

struct Recorder {
  std::vector<Alert> alerts;
  std::function<void(const Event&)> receiver() {
    return [this](const Event& event) { alerts.push_back(event.alert); };
  }
};

Observation observe(Monitor& monitor, const Result& result, int times, const std::string& stream = "line-1") {
  Observation last;
  for (int i = 0; i < times; ++i) last = monitor.observe(stream, kReference, result, 1000 + i);
  return last;
}

}  // namespace

TEST_CASE("an observation carries the window and, while it fires, the alert") {
  Recorder seen;
  Monitor monitor{quick(), seen.receiver()};
  const auto calm = observe(monitor, normal(), 4);
  CHECK(calm.window.size == 4);
  CHECK_FALSE(calm.alert.has_value());
  const auto drifted = observe(monitor, strange(), 12);
  REQUIRE(drifted.alert.has_value());
  CHECK(drifted.alert->state == AlertState::firing);
  CHECK(drifted.window.ood_rate == 1);
}

TEST_CASE("each transition is told once, with evidence and a false-alarm rate") {
  Recorder seen;
  Monitor monitor{quick(), seen.receiver()};
  observe(monitor, strange(0.004), 4);
  observe(monitor, strange(0.002), 8);
  observe(monitor, normal(), 20);
  REQUIRE(seen.alerts.size() == 2);
  const auto& fired = seen.alerts[0];
  CHECK(fired.state == AlertState::firing);
  CHECK(fired.stream == "line-1");
  CHECK(fired.reference == "default@1");
  CHECK(fired.lower > 0.5);
  CHECK(fired.fired.image == fired.started.image + 2);
  CHECK(fired.false_alarm_per_image == false_alarm_bound(10, 5, 0.5, 0.05, 1000));
  REQUIRE(fired.evidence.size() == 5);
  CHECK(fired.evidence[0].p_value == 0.002);
  CHECK(fired.evidence[0].neighbours.front().uri == "train/7.png");
  CHECK(seen.alerts[1].state == AlertState::resolved);
  CHECK(seen.alerts[1].id == fired.id);
  CHECK(seen.alerts[1].resolved.image > fired.fired.image);
}

TEST_CASE("an alert has the curve of its rule from before the drift to the firing, also over a restart") {
  Recorder seen;
  Monitor first{quick(), {}};
  observe(first, normal(), 40);
  observe(first, strange(), 5);
  Monitor monitor{quick(), seen.receiver()};
  monitor.restore(first.snapshot());
  observe(monitor, strange(), 10);
  REQUIRE(seen.alerts.size() == 1);
  const auto& alert = seen.alerts[0];
  const auto& curve = alert.curve;
  REQUIRE(curve.size() >= 10);
  CHECK(curve.front().at.image < alert.started.image);
  CHECK(curve.back().at.image == alert.fired.image);
  CHECK(curve.back().value == Approx(alert.lower));
  CHECK(curve.back().limit == Approx(alert.threshold));
  CHECK(curve.front().value <= curve.front().limit);
  CHECK(std::ranges::count_if(curve, [](const auto& point) { return point.at.image > 40; }) > 5);
}

TEST_CASE("a reference that changes starts the window again and keeps the totals") {
  Monitor monitor{quick(), {}};
  observe(monitor, strange(), 4);
  const auto after = monitor.observe("line-1", {"default@2", 1000, 0.05}, normal(), 5);
  CHECK(after.window.size == 1);
  CHECK(after.window.flagged == 0);
  CHECK(after.window.total == 5);
  CHECK(monitor.stream("line-1")->reference == "default@2");
}

TEST_CASE("stream names are checked and their number is limited by name") {
  Monitor monitor{quick(), {}};
  for (const std::string& name : std::vector<std::string>{"", "a b", "a/b", "\xC3\xA9"}) {
    CHECK(test::code_of([&] { return monitor.observe(name, kReference, normal(), 1); }) == Errc::invalid_argument);
  }
  CHECK(test::code_of([&] { return monitor.observe(std::string(65, 'x'), kReference, normal(), 1); }) ==
        Errc::invalid_argument);
  for (const std::string& name : std::vector<std::string>{"A.b_c-9", std::string(64, 'x'), "third"})
    observe(monitor, normal(), 1, name);
  CHECK(test::code_of([&] { return monitor.observe("fourth", kReference, normal(), 1); }) == Errc::overloaded);
  CHECK(monitor.streams().size() == 3);
}

TEST_CASE("results and references that make no sense are refused before they count") {
  Monitor monitor{quick(), {}};
  auto bad = normal();
  bad.score = std::nan("");
  CHECK(test::code_of([&] { return monitor.observe("s", kReference, bad, 1); }) == Errc::invalid_argument);
  bad = normal();
  bad.p_value = 0;
  CHECK(test::code_of([&] { return monitor.observe("s", kReference, bad, 1); }) == Errc::invalid_argument);
  bad = strange();
  bad.neighbours[0].distance = INFINITY;
  CHECK(test::code_of([&] { return monitor.observe("s", kReference, bad, 1); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return monitor.observe("s", {"r", 0, 0.05}, normal(), 1); }) == Errc::invalid_argument);
  CHECK(monitor.streams().empty());
}

TEST_CASE("an event that the receiver refuses is offered again, in order") {
  std::vector<AlertState> seen;
  bool refuse = true;
  Monitor monitor{quick(), [&](const Event& event) {
                    if (refuse) throw std::runtime_error{"no disk"};
                    seen.push_back(event.alert.state);
                  }};
  observe(monitor, strange(), 12);
  observe(monitor, normal(), 20);
  CHECK(seen.empty());
  refuse = false;
  monitor.deliver();
  CHECK(seen == std::vector{AlertState::firing, AlertState::resolved});
}

TEST_CASE("a receiver may ask the monitor, since no lock is held") {
  std::size_t alerts = 0;
  Monitor* self = nullptr;
  Monitor monitor{quick(), [&](const Event&) { alerts = self->alerts().size(); }};
  self = &monitor;
  observe(monitor, strange(), 12);
  CHECK(alerts == 1);
}

TEST_CASE("alerts are listed newest first, and old resolved ones are forgotten") {
  Monitor monitor{quick(), {}};
  for (int round = 0; round < 4; ++round) {
    observe(monitor, strange(), 12);
    observe(monitor, normal(), 20);
  }
  observe(monitor, strange(), 12);
  const auto alerts = monitor.alerts();
  REQUIRE(alerts.size() == 2);
  CHECK(alerts[0].state == AlertState::firing);
  CHECK(alerts[0].id > alerts[1].id);
  CHECK(monitor.alert(alerts[1].id)->state == AlertState::resolved);
  CHECK_FALSE(monitor.alert("alert-0").has_value());
}

TEST_CASE("resetting a stream empties its window and resolves its alert") {
  Recorder seen;
  Monitor monitor{quick(), seen.receiver()};
  observe(monitor, strange(), 12);
  monitor.reset("line-1", 77);
  CHECK(monitor.stream("line-1")->window.size == 0);
  CHECK_FALSE(monitor.stream("line-1")->most_urgent().has_value());
  REQUIRE(seen.alerts.size() == 2);
  CHECK(seen.alerts[1].resolved.at_ms == 77);
  CHECK(test::code_of([&] { return monitor.reset("other", 1), 0; }) == Errc::not_found);
}

TEST_CASE("the first acknowledgement of an alert stays") {
  Monitor monitor{quick(), {}};
  observe(monitor, strange(), 12);
  const auto id = monitor.alerts().front().id;
  CHECK(monitor.acknowledge(id, 5).acknowledged_ms == 5);
  CHECK(monitor.acknowledge(id, 9).acknowledged_ms == 5);
  CHECK(test::code_of([&] { return monitor.acknowledge("none", 1); }) == Errc::not_found);
}

TEST_CASE("a stream follows the first rule whose pattern matches its name, else the default") {
  auto options = quick();
  auto early = options.rule;
  early.for_images = 0;
  auto never = options.rule;
  never.min_size = 10;
  never.for_images = 1000;
  options.rules = {{"line-?", early}, {"line-*", never}};
  Recorder seen;
  Monitor monitor{options, seen.receiver()};
  for (const auto* stream : {"line-1", "line-12", "other"}) observe(monitor, strange(), 12, stream);
  REQUIRE(seen.alerts.size() == 2);
  CHECK(seen.alerts[0].stream == "line-1");
  CHECK(seen.alerts[0].fired.image == 5);
  CHECK(seen.alerts[1].stream == "other");
  CHECK(seen.alerts[1].fired.image == 7);
}

TEST_CASE("a rule's bound of false alarms is its own") {
  auto options = quick();
  auto strict = options.rule;
  strict.threshold = 0.6;
  options.rules = {{"strict", strict}};
  Recorder seen;
  Monitor monitor{options, seen.receiver()};
  for (const auto* stream : {"strict", "other"}) observe(monitor, strange(), 12, stream);
  REQUIRE(seen.alerts.size() == 2);
  CHECK(seen.alerts[0].false_alarm_per_image == false_alarm_bound(10, 5, 0.6, 0.05, 1000));
  CHECK(seen.alerts[1].false_alarm_per_image == false_alarm_bound(10, 5, 0.5, 0.05, 1000));
}

TEST_CASE("a rule for streams that cannot be is refused") {
  auto options = quick();
  options.rules = {{"line 1", options.rule}};
  CHECK(test::code_of([&] { return Monitor{options, {}}, 0; }) == Errc::invalid_argument);
  options.rules = {{"line-*", {.min_size = 11}}};
  CHECK(test::code_of([&] { return Monitor{options, {}}, 0; }) == Errc::invalid_argument);
}

TEST_CASE("a cooldown goes on after a restart") {
  auto options = quick();
  options.rule.cooldown_images = 30;
  Recorder seen;
  Monitor first{options, seen.receiver()};
  observe(first, strange(), 12);
  observe(first, normal(), 20);
  REQUIRE(seen.alerts.size() == 2);
  const auto resolved = seen.alerts[1].resolved.image;
  Monitor second{options, seen.receiver()};
  second.restore(first.snapshot());
  observe(second, strange(), 40);
  REQUIRE(seen.alerts.size() == 3);
  CHECK(seen.alerts[2].started.image == resolved + 31);
}

TEST_CASE("a restored monitor goes on as if it had never stopped") {
  const auto stop = GENERATE(3, 9, 14, 25, 33);
  Recorder whole_seen;
  Recorder first_seen;
  Recorder second_seen;
  Monitor whole{quick(), whole_seen.receiver()};
  Monitor first{quick(), first_seen.receiver()};
  Monitor second{quick(), second_seen.receiver()};
  const auto result_at = [](int i) { return i < 20 ? strange() : normal(); };
  for (int i = 0; i < 45; ++i) {
    (void)whole.observe("s", kReference, result_at(i), i);
    if (i == stop) second.restore(first.snapshot());
    (void)(i < stop ? first : second).observe("s", kReference, result_at(i), i);
  }
  CAPTURE(stop);
  CHECK(second.stream("s")->window.flagged == whole.stream("s")->window.flagged);
  CHECK(second.stream("s")->window.total == whole.stream("s")->window.total);
  CHECK(first_seen.alerts.size() + second_seen.alerts.size() == whole_seen.alerts.size());
  CHECK(second.alerts().front().id == whole.alerts().front().id);
  CHECK(second.alerts().front().evidence.size() == whole.alerts().front().evidence.size());
}

TEST_CASE("alerts newer than the windows win when a monitor is restored") {
  Monitor before{quick(), {}};
  observe(before, strange(), 4);
  auto saved = before.snapshot();
  observe(before, strange(), 8);
  saved.alerts = before.snapshot().alerts;  // it fired after the windows were saved
  Monitor firing{quick(), {}};
  firing.restore(saved);
  CHECK(firing.stream("line-1")->most_urgent()->id == saved.alerts[0].id);

  const auto while_firing = before.snapshot();
  observe(before, normal(), 20);
  auto after = while_firing;
  after.alerts = before.snapshot().alerts;  // it was resolved after the windows were saved
  Monitor resolved{quick(), {}};
  resolved.restore(after);
  CHECK_FALSE(resolved.stream("line-1")->most_urgent().has_value());
  CHECK(resolved.stream("line-1")->window.size == 0);

  Monitor without_windows{quick(), {}};
  without_windows.restore({{}, saved.alerts});
  CHECK(without_windows.stream("line-1")->most_urgent()->id == saved.alerts[0].id);
}

TEST_CASE("many threads lose no image, and events of a stream stay in order") {
  std::vector<Alert> seen;  // events come one at a time
  std::atomic<int> inside = 0;
  bool overlapped = false;
  auto options = quick();
  options.max_alerts = 1000;
  Monitor monitor{options, [&](const Event& event) {
                    overlapped |= ++inside != 1;
                    seen.push_back(event.alert);
                    --inside;
                  }};
  constexpr int kRounds = 2000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        (void)monitor.observe("s" + std::to_string(t), kReference, i / 40 % 2 == 0 ? strange() : normal(), i);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& stream : monitor.streams()) CHECK(stream.window.total == kRounds);
  CHECK_FALSE(overlapped);
  CHECK(seen.size() == 3 * 2 * (kRounds / 80));
  std::map<std::string, AlertState> last;
  for (const auto& alert : seen) {
    CHECK((last.contains(alert.stream) && last[alert.stream] == AlertState::firing) ==
          (alert.state == AlertState::resolved));
    last[alert.stream] = alert.state;
  }
}

TEST_CASE("options out of range are refused when the monitor is made") {
  auto options = quick();
  options.window = 4;  // below min_size
  CHECK(test::code_of([&] { return Monitor{options, {}}, 0; }) == Errc::invalid_argument);
  options = quick();
  options.max_streams = 0;
  CHECK(test::code_of([&] { return Monitor{options, {}}, 0; }) == Errc::invalid_argument);
}

namespace {

// The window's rule asks for more than the images below give it.
MonitorOptions with_detector() {
  MonitorOptions options;
  options.rule.threshold = 0.9;
  options.rule.resolve_after = 20;
  return options;
}

Alert only_alert(const Monitor& monitor) {
  const auto alerts = monitor.alerts();
  REQUIRE(alerts.size() == 1);
  return alerts.front();
}

}  // namespace

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

TEST_CASE("a restored detector goes on with the same value and the same alert") {
  const auto stop = GENERATE(3, 60);
  Recorder after;
  Monitor whole{with_detector(), {}};
  Monitor first{with_detector(), {}};
  Monitor second{with_detector(), after.receiver()};
  const auto result_at = [](int i) { return i > 40 && i % 3 == 0 ? strange(0.005) : normal(); };
  for (int i = 0; i < 120; ++i) {
    (void)whole.observe("s", kReference, result_at(i), i);
    if (i == stop) second.restore(first.snapshot());
    (void)(i < stop ? first : second).observe("s", kReference, result_at(i), i);
  }
  CAPTURE(stop, after.alerts.size());
  CHECK(second.stream("s")->detector(kDetectorRule)->reading.value ==
        whole.stream("s")->detector(kDetectorRule)->reading.value);
  CHECK(only_alert(second).id == only_alert(whole).id);
  CHECK(only_alert(second).started.image == only_alert(whole).started.image);
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

TEST_CASE("a drift that lasts keeps its alert: what is seen while it fires does not become normal") {
  Recorder seen;
  Monitor monitor{with_detector(), seen.receiver()};
  observe(monitor, normal(), 200);
  observe(monitor, strange(), 5000);
  CHECK(std::ranges::count(seen.alerts, kDetectorRule, &Alert::rule) == 1);
  CHECK(monitor.stream("line-1")->detector(kDetectorRule)->alert.has_value());
}

TEST_CASE("vectors, which have no properties, share a stream with images") {
  Monitor monitor{with_detector(), {}};
  (void)monitor.observe("s", with_properties(), normal(), 0);
  (void)monitor.observe("s", with_properties(), image(0.5F), 1);
  (void)monitor.observe("s", with_properties(), normal(), 2);
  CHECK(monitor.stream("s")->detector(kDetectorRule)->reading.groups.size() == 2);
}

TEST_CASE("a stream has a window by time beside that by count, and it survives a restart") {
  auto options = quick();
  options.window_seconds = 60;
  Monitor first{options, {}};
  for (int i = 0; i < 30; ++i) (void)first.observe("s", kReference, i % 3 == 0 ? strange() : normal(), i * 1000);
  Monitor second{options, {}};
  second.restore(first.snapshot());
  for (auto* monitor : {&first, &second}) {
    CHECK(monitor->stream("s")->time_window->size == 30);
    CHECK(monitor->stream("s")->time_window->flagged == 10);
    CHECK(monitor->stream("s", 75'000)->time_window->size < 16);
    CHECK(monitor->stream("s")->window.size == 10);
  }
  options.window_seconds = TimeWindow::kMaxSeconds + 1;
  CHECK(test::code_of([&] { return Monitor{options, {}}, 0; }) == Errc::invalid_argument);
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

TEST_CASE("a rule that watches no more leaves no alert firing after a restart") {
  Monitor before{with_detector(), {}};
  observe(before, strange(), 20);
  auto options = with_detector();
  options.detectors = {"ood-count"};
  Monitor after{options, {}};
  after.restore(before.snapshot());
  for (const auto& alert : after.alerts()) CHECK(alert.state == AlertState::resolved);
  observe(after, normal(), 1);
  CHECK(after.stream("line-1")->window.total == 21);
}
