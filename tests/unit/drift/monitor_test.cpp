#include "drift/monitor.hpp"

#include <atomic>
#include <cmath>
#include <map>
#include <stdexcept>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/monitors.hpp"

using namespace driftd;
using namespace driftd::drift;
using namespace driftd::test;

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
