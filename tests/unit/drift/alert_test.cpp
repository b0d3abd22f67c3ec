#include "drift/alert.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

using Transition = AlertMachine::Transition;

const AlertRule kRule{.threshold = 0.2, .resolve_below = 0.2, .min_size = 10, .for_images = 2, .resolve_after = 2};
const Patience kPatience{kRule.for_images, kRule.resolve_after};

// A window summary that only says what the machine reads.
WindowSummary window(double rate, double lower, std::uint64_t total, std::size_t size = 20) {
  WindowSummary summary;
  summary.size = size;
  summary.ood_rate = rate;
  summary.lower = lower;
  summary.total = total;
  return summary;
}

std::vector<Transition> run(AlertMachine& machine, const std::vector<WindowSummary>& windows) {
  std::vector<Transition> all;
  for (const auto& w : windows) {
    all.push_back(machine.step(condition(kRule, w), {static_cast<std::int64_t>(w.total) * 10, w.total}));
  }
  return all;
}

}  // namespace

TEST_CASE("an alert waits for the condition to hold, fires, and resolves after calm") {
  AlertMachine machine{kPatience};
  CHECK(run(machine, {window(0.3, 0.1, 1), window(0.5, 0.3, 2), window(0.5, 0.3, 3), window(0.5, 0.3, 4)}) ==
        std::vector{Transition::none, Transition::pending, Transition::none, Transition::firing});
  CHECK(machine.state().started.image == 2);
  CHECK(machine.state().started.at_ms == 20);
  CHECK(run(machine, {window(0.1, 0, 5), window(0.25, 0, 6), window(0.1, 0, 7), window(0.1, 0, 8)}) ==
        std::vector{Transition::none, Transition::none, Transition::none, Transition::resolved});
  CHECK(machine.state().phase == AlertMachine::Phase::idle);
}

TEST_CASE("a condition that stops holding is dropped and starts afresh") {
  AlertMachine machine{kPatience};
  CHECK(run(machine, {window(0.5, 0.3, 1), window(0.5, 0.3, 2), window(0.3, 0.1, 3), window(0.5, 0.3, 4)}) ==
        std::vector{Transition::pending, Transition::none, Transition::dropped, Transition::pending});
  CHECK(machine.state().started.image == 4);
}

TEST_CASE("without patience an alert fires on the first image over the limit") {
  AlertMachine machine{{0, 2}};
  CHECK(run(machine, {window(0.5, 0.3, 1)}) == std::vector{Transition::firing});
}

TEST_CASE("after it resolved an alert cools down by images and by time") {
  const auto by_time = GENERATE(false, true);
  AlertMachine machine{{0, 1, by_time ? 0U : 3U, by_time ? 30 : 0}};  // windows come every 10 ms
  CHECK(run(machine, {window(0.5, 0.3, 1), window(0.1, 0, 2)}) ==
        std::vector{Transition::firing, Transition::resolved});
  const auto waited = by_time ? std::vector{Transition::none, Transition::none, Transition::firing}
                              : std::vector{Transition::none, Transition::none, Transition::none};
  CHECK(run(machine, {window(0.5, 0.3, 3), window(0.5, 0.3, 4), window(0.5, 0.3, 5)}) == waited);
  CHECK(run(machine, {window(0.5, 0.3, 6)}).front() == (by_time ? Transition::none : Transition::firing));
}

TEST_CASE("the cooldown survives a condition that was dropped, and a new window") {
  AlertMachine machine{{2, 1, 5, 0}};
  machine.cool_down_from({10, 1});
  machine.restart_window();
  CHECK(run(machine, {window(0.5, 0.3, 6), window(0.5, 0.3, 7), window(0.1, 0, 8)}) ==
        std::vector{Transition::none, Transition::pending, Transition::dropped});
  CHECK(machine.state().resolved.image == 1);
}

TEST_CASE("a small window neither fires nor resolves") {
  AlertMachine machine{kPatience};
  CHECK(run(machine, {window(1, 0.9, 1, 9)}) == std::vector{Transition::none});
  AlertMachine firing{kPatience};
  firing.resume({AlertMachine::Phase::firing, {1, 1}, 0});
  CHECK(run(firing, {window(0, 0, 1, 9), window(0, 0, 2, 9), window(0, 0, 3, 9)}) ==
        std::vector{Transition::none, Transition::none, Transition::none});
}

TEST_CASE("a window that starts again forgets a pending alert and keeps a firing one") {
  AlertMachine pending{kPatience};
  pending.resume({AlertMachine::Phase::pending, {1, 1}, 1});
  pending.restart_window();
  CHECK(pending.state().phase == AlertMachine::Phase::idle);
  AlertMachine firing{kPatience};
  firing.resume({AlertMachine::Phase::firing, {1, 1}, 1});
  firing.restart_window();
  CHECK(firing.state().phase == AlertMachine::Phase::firing);
  CHECK(firing.state().held == 0);
}

TEST_CASE("a rule outside its ranges is refused by the name of its field") {
  const auto message = [](auto change) {
    AlertRule rule;
    change(rule);
    return test::message_of([&] {
      check(rule, 500);
      return 0;
    });
  };
  CHECK(message([](AlertRule&) {}).empty());
  CHECK(message([](AlertRule& r) { r.threshold = 1; }).find("threshold") != std::string::npos);
  CHECK(message([](AlertRule& r) { r.resolve_below = 0.2; }).find("resolve_below") != std::string::npos);
  CHECK(message([](AlertRule& r) { r.min_size = 501; }).find("min_size") != std::string::npos);
  CHECK(message([](AlertRule& r) { r.resolve_after = 0; }).find("resolve_after") != std::string::npos);
  CHECK(message([](AlertRule& r) { r.evidence = 21; }).find("evidence") != std::string::npos);
}

TEST_CASE("the false-alarm bound falls with the threshold and rises with alpha") {
  const double base = false_alarm_bound(500, 100, 0.10, 0.05, 5000);
  CHECK(base > 0);
  CHECK(base < 1e-4);
  CHECK(false_alarm_bound(500, 100, 0.15, 0.05, 5000) < base);
  CHECK(false_alarm_bound(500, 100, 0.10, 0.06, 5000) > base);
  CHECK(false_alarm_bound(500, 100, 0.10, 0.05, 100) > base);
}

TEST_CASE("nothing is flagged when no p-value reaches alpha, so nothing fires") {
  CHECK(false_alarm_bound(500, 100, 0.10, 0.01, 50) == 0);
}

TEST_CASE("a false-alarm bound of nonsense is refused") {
  CHECK(test::code_of([] { return false_alarm_bound(10, 11, 0.1, 0.05, 100); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return false_alarm_bound(10, 0, 0.1, 0.05, 100); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return false_alarm_bound(10, 5, 0.1, 1, 100); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return false_alarm_bound(10, 5, 1, 0.05, 100); }) == Errc::invalid_argument);
}
