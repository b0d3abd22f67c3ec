// A Monitor goes on after a restart: what a snapshot of another one makes of it.
#include <algorithm>

#include "drift/monitor.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/monitors.hpp"

using namespace driftd;
using namespace driftd::drift;
using namespace driftd::test;

namespace {

Alert only_alert(const Monitor& monitor) {
  const auto alerts = monitor.alerts();
  REQUIRE(alerts.size() == 1);
  return alerts.front();
}

}  // namespace

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
