// The Store's outbox.
#include "drift/store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/stored.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::drift;
using namespace driftd::test;

TEST_CASE("a notice is due, tried again later, delivered or given up") {
  test::TempDir dir;
  Store store{dir / "s.db"};
  const auto alert = some_alert("a", AlertState::firing);
  store.save_alert(alert, {.notices = {notice("1", "ops", "one"), notice("2", "ops", "two"), notice("3", "dev")}}, 50);
  CHECK(store.due("ops", 49, 10).empty());
  CHECK(store.targets_with_pending() == std::set<std::string>{"ops", "dev"});
  const auto due = store.due("ops", 50, 10);
  REQUIRE(due.size() == 2);
  CHECK(due[1].payload == "two");
  CHECK(due[1].event == "alert.firing");
  CHECK(due[1].subject == "a");
  store.delivered("1");
  store.failed("2", 80, "answered 500");
  store.dead("3", 90, "connection refused");
  CHECK(store.due("ops", 79, 10).empty());
  REQUIRE(store.due("ops", 80, 10).size() == 1);
  CHECK(store.due("ops", 80, 10)[0].attempts == 1);
  CHECK(store.due("ops", 80, 10)[0].last_error == "answered 500");
  for (const auto state : {DeliveryState::pending, DeliveryState::delivered, DeliveryState::dead})
    CHECK(notices_in(store, state) == 1);
  CHECK(test::code_of([&] { return store.delivered("999"), 0; }) == Errc::not_found);
}

TEST_CASE("a notice given up is noted in the history of its alert and can be tried again") {
  test::TempDir dir;
  Store store{dir / "s.db"};
  store.save_alert(some_alert("a", AlertState::firing), {.notices = {notice("1"), notice("2")}}, 50);
  store.dead("1", 90, "connection refused");
  REQUIRE(store.history("a").size() == 1);
  CHECK(store.history("a")[0].what == "undelivered");
  CHECK(store.history("a")[0].note == "alert.firing to ops: connection refused");
  CHECK(store.due("ops", 100, 10).size() == 1);
  const auto again = store.retry("1", 100);
  CHECK(again.state == DeliveryState::pending);
  CHECK(again.attempts == 0);
  CHECK(store.due("ops", 100, 10).size() == 2);
  store.delivered("2");
  CHECK(test::code_of([&] { return store.retry("2", 100); }) == Errc::conflict);
  CHECK(test::code_of([&] { return store.retry("3", 100); }) == Errc::not_found);
}

TEST_CASE("deliveries are paged from the newest on, all or of one state") {
  test::TempDir dir;
  Store store{dir / "s.db"};
  store.save_alert(some_alert("a", AlertState::firing), {.notices = {notice("1"), notice("2"), notice("3")}}, 50);
  store.dead("2", 60, "x");
  const auto page = store.deliveries({.limit = 2});
  REQUIRE(page.size() == 2);
  CHECK(page[0].id == "3");
  CHECK(page[1].state == DeliveryState::dead);
  const auto rest = store.deliveries({.before = page[1].order, .limit = 2});
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].id == "1");
  REQUIRE(store.deliveries({.state = DeliveryState::dead}).size() == 1);
  CHECK(store.deliveries({.state = DeliveryState::delivered}).empty());
}

TEST_CASE("a full outbox makes room from finished notices, then refuses and writes nothing") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_outbox = 2}};
  store.save_alert(some_alert("a", AlertState::firing), {.notices = {notice("1")}});
  store.save_alert(some_alert("b", AlertState::firing), {.notices = {notice("2")}});
  const News third{.history = {{1, "firing", "driftd", ""}}, .notices = {notice("3")}};
  CHECK(test::code_of([&] { return store.save_alert(some_alert("c", AlertState::firing), third), 0; }) ==
        Errc::overloaded);
  CHECK(store.load().alerts.size() == 2);
  CHECK(store.history("c").empty());
  store.delivered("1");
  CHECK_NOTHROW(store.save_alert(some_alert("c", AlertState::firing), third));
  CHECK(notices_in(store, DeliveryState::pending) == 2);
  CHECK(notices_in(store, DeliveryState::delivered) == 0);
}

TEST_CASE("a payload over its limit is refused") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_payload = 3}};
  const News large{.notices = {notice("1", "ops", "four")}};
  CHECK(test::code_of([&] { return store.save_alert(some_alert("a", AlertState::firing), large), 0; }) ==
        Errc::too_large);
}
