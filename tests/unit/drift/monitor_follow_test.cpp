#include "drift/monitor.hpp"

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

MonitorOptions options() {
  MonitorOptions made;
  made.run_length = 0;
  made.followed = {"accuracy"};
  return made;
}

void image(Monitor& monitor) {
  monitor.observe("s", {"default@1", 1000, 0.05}, {.p_value = 0.5}, 10);
}

FollowedRule rule(bool over, bool calm) {
  return {"accuracy", {over, calm}, {5, 1}, 100, 0.01};
}

}  // namespace

TEST_CASE("a rule that is watched elsewhere raises an alert that lives as the others do") {
  std::vector<Event> events;
  Monitor monitor{options(), [&](const Event& event) { events.push_back(event); }};
  monitor.follow("s", rule(true, false), 20);  // a stream that has sent nothing
  CHECK(events.empty());
  image(monitor);
  monitor.follow("s", rule(false, true), 20);
  CHECK(events.empty());
  monitor.follow("s", rule(true, false), 30);
  monitor.follow("s", rule(true, false), 40);
  REQUIRE(events.size() == 1);
  const auto& alert = events.front().alert;
  CHECK((alert.rule == "accuracy" && alert.started.at_ms == 5 && alert.fired.at_ms == 30 && alert.threshold == 100 &&
         alert.reference == "default@1"));
  CHECK(monitor.followed_alert("s", "accuracy")->id == alert.id);
  CHECK(monitor.acknowledge(alert.id, 50).acknowledged_ms == 50);
  monitor.follow("s", rule(false, true), 60);
  REQUIRE(events.size() == 2);
  CHECK((events[1].alert.state == AlertState::resolved && events[1].alert.resolved.at_ms == 60 &&
         !monitor.followed_alert("s", "accuracy")));
}

TEST_CASE("an alert of a followed rule goes on after a restart and ends with a reset of its stream") {
  Monitor before{options(), {}};
  image(before);
  before.follow("s", rule(true, false), 30);
  Monitor after{options(), {}};
  after.restore(before.snapshot());
  REQUIRE(after.followed_alert("s", "accuracy"));
  after.follow("s", rule(true, false), 40);
  CHECK(after.alerts().size() == 1);
  after.reset("s", 50);
  CHECK_FALSE(after.followed_alert("s", "accuracy"));
  CHECK(after.alerts().front().state == AlertState::resolved);
  after.follow("s", rule(true, false), 60);
  CHECK(after.alerts().size() == 2);
}

TEST_CASE("an alert of a rule that nobody watches any more is resolved at the next start") {
  Monitor before{options(), {}};
  image(before);
  before.follow("s", rule(true, false), 30);
  auto without = options();
  without.followed.clear();
  Monitor after{without, {}};
  after.restore(before.snapshot());
  CHECK(after.alerts().front().state == AlertState::resolved);
  CHECK(test::code_of([&] {
          after.follow("s", rule(true, false), 40);
          return 0;
        }) == Errc::invalid_argument);
}
