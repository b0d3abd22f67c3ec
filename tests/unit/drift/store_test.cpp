#include "drift/store.hpp"

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::drift;
namespace fs = std::filesystem;

namespace {

Alert some_alert(const std::string& id, AlertState state, std::int64_t fired_ms = 100) {
  Alert alert;
  alert.id = id;
  alert.stream = "line-1";
  alert.reference = "default@4";
  alert.rule = "ood-rate";
  alert.state = state;
  alert.started = {90, 9};
  alert.fired = {fired_ms, 10};
  alert.rate = 0.4;
  alert.lower = 0.3;
  alert.upper = 0.5;
  alert.window = 500;
  alert.threshold = 0.1;
  alert.false_alarm_per_image = 1e-6;
  alert.acknowledged_ms = 7;
  alert.silenced_until_ms = 8;
  alert.moved = {{"brightness", false, 0.1, 0.75}};
  alert.evidence = {{"r\0q", 3, 4.5, 0.01, 0.8, {{"17", "bag", "train/bag/17.png", 0.7}, {}}}};
  return alert;
}

StreamState some_stream(const std::string& name) {
  StreamState stream;
  stream.name = name;
  stream.reference = "default@4";
  stream.first_ms = 1;
  stream.last_ms = 2;
  stream.silenced_until_ms = 3;
  stream.window = {{true, false, true}, 30, 12};
  stream.time_window = {60, {{1000, 5, 2}, {1001, 3, 0}}};
  stream.rate = {{AlertMachine::Phase::pending, {90, 9}, 4}, ""};
  stream.detector = {score_channel(300),
                     {"properties", "width", true, RankHistogram::of_values(std::vector<float>(9, 28))}};
  stream.detector[1].ranks.learn(28);
  stream.detector[1].ranks.settle();
  stream.detector[1].ranks.learn(27);
  stream.detector[1].lower[1] = {0.1 + 0.2, {80, 8}};
  stream.detector[1].recent_rank = 0.25;
  stream.drift = {{AlertMachine::Phase::firing, {80, 8}, 2}, "a"};
  stream.candidates = {{"r", 29, 4.5, 0.01, 0.8, {}}};
  return stream;
}

void run_sql(const fs::path& file, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
}

}  // namespace

TEST_CASE("alerts and streams come back as they were saved") {
  test::TempDir dir;
  {
    Store store{dir / "s.db"};
    store.save_alert(some_alert("b", AlertState::firing, 200));
    store.save_alert(some_alert("a", AlertState::firing, 100));
    store.save_alert(some_alert("a", AlertState::resolved, 100));
    store.save_streams(std::vector{some_stream("y"), some_stream("x")});
    store.save_streams(std::vector{some_stream("x")});
  }
  const auto saved = Store{dir / "s.db"}.load();
  REQUIRE(saved.alerts.size() == 2);
  CHECK(saved.alerts[0].id == "a");
  const auto& alert = saved.alerts[0];
  CHECK(alert.state == AlertState::resolved);
  CHECK(alert.started.image == 9);
  CHECK(alert.false_alarm_per_image == 1e-6);
  CHECK(alert.silenced_until_ms == 8);
  CHECK(alert.evidence.at(0).request_id == some_alert("a", AlertState::firing).evidence[0].request_id);
  CHECK(alert.evidence.at(0).neighbours.at(0).uri == "train/bag/17.png");
  REQUIRE(saved.streams.size() == 1);
  const auto& stream = saved.streams[0];
  CHECK(stream.name == "x");
  CHECK(stream.window.flags == std::vector<bool>{true, false, true});
  CHECK(stream.window.total_flagged == 12);
  REQUIRE(stream.time_window.buckets.size() == 2);
  CHECK(stream.time_window.seconds == 60);
  CHECK(stream.time_window.buckets[0].flagged == 2);
  CHECK(stream.rate.machine.phase == AlertMachine::Phase::pending);
  CHECK(stream.rate.machine.held == 4);
  REQUIRE(stream.detector.size() == 2);
  CHECK(stream.detector[0].ranks.state().places == score_channel(300).ranks.state().places);
  CHECK(stream.detector[1].name == "width");
  CHECK(stream.detector[1].both_ends);
  CHECK(stream.detector[1].ranks.state().learned == std::vector<std::uint32_t>{0, 1, 0});
  CHECK(stream.detector[1].ranks.state().waiting == std::vector<std::uint32_t>{1, 0, 0});
  CHECK(stream.detector[1].lower[1].wealth == 0.1 + 0.2);
  CHECK(stream.detector[1].lower[1].since.image == 8);
  CHECK(stream.detector[1].recent_rank == 0.25);
  CHECK(stream.drift.machine.phase == AlertMachine::Phase::firing);
  CHECK(stream.drift.alert_id == "a");
  CHECK(stream.candidates.at(0).image == 29);
}

TEST_CASE("a new store is empty") {
  test::TempDir dir;
  const Store store{dir / "s.db"};
  CHECK(store.load().streams.empty());
  CHECK(store.load().alerts.empty());
  CHECK(store.outbox().pending == 0);
}

TEST_CASE("a notice is due, tried again later, delivered or given up") {
  test::TempDir dir;
  Store store{dir / "s.db"};
  store.save_alert(some_alert("a", AlertState::firing), std::vector<Notice>{{0, "one"}, {1, "two"}, {2, "three"}}, 50);
  CHECK(store.due(49, 10).empty());
  const auto due = store.due(50, 10);
  REQUIRE(due.size() == 3);
  CHECK(due[1].payload == "two");
  CHECK(due[1].target == 1);
  CHECK(due[1].alert_id == "a");
  store.delivered(due[0].id);
  store.failed(due[1].id, 80);
  store.dead(due[2].id);
  CHECK(store.due(79, 10).empty());
  REQUIRE(store.due(80, 10).size() == 1);
  CHECK(store.due(80, 10)[0].attempts == 1);
  const auto counts = store.outbox();
  CHECK(counts.pending == 1);
  CHECK(counts.delivered == 1);
  CHECK(counts.dead == 1);
  CHECK(test::code_of([&] { return store.delivered(999), 0; }) == Errc::not_found);
}

TEST_CASE("a full outbox makes room from finished notices, then refuses and writes nothing") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_outbox = 2}};
  const std::vector<Notice> one{{0, "x"}};
  store.save_alert(some_alert("a", AlertState::firing), one);
  store.save_alert(some_alert("b", AlertState::firing), one);
  CHECK(test::code_of([&] { return store.save_alert(some_alert("c", AlertState::firing), one), 0; }) ==
        Errc::overloaded);
  CHECK(store.load().alerts.size() == 2);
  store.delivered(store.due(0, 1).front().id);
  CHECK_NOTHROW(store.save_alert(some_alert("c", AlertState::firing), one));
  CHECK(store.outbox().pending == 2);
  CHECK(store.outbox().delivered == 0);
}

TEST_CASE("the history of alerts is bounded; firing ones stay") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_alerts = 3}};
  store.save_alert(some_alert("old-but-firing", AlertState::firing, 1));
  for (int i = 2; i < 9; ++i) store.save_alert(some_alert("a" + std::to_string(i), AlertState::resolved, i));
  const auto alerts = store.load().alerts;
  REQUIRE(alerts.size() == 3);
  CHECK(alerts[0].id == "old-but-firing");
  CHECK(alerts[1].id == "a7");
}

TEST_CASE("a payload over its limit is refused") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_payload = 3}};
  const std::vector<Notice> large{{0, "four"}};
  CHECK(test::code_of([&] { return store.save_alert(some_alert("a", AlertState::firing), large), 0; }) ==
        Errc::too_large);
}

TEST_CASE("a store of a newer program, of another program, or that is no database is refused") {
  test::TempDir dir;
  {
    const Store store{dir / "newer.db"};
  }
  run_sql(dir / "newer.db", "PRAGMA user_version = 2");
  CHECK(test::code_of([&] { return Store{dir / "newer.db"}, 0; }) == Errc::conflict);
  run_sql(dir / "other.db", "CREATE TABLE t (x)");
  CHECK(test::code_of([&] { return Store{dir / "other.db"}, 0; }) == Errc::corrupt);
  write_file_atomically(dir / "text.db", std::string(5000, 'x'));
  CHECK(test::code_of([&] { return Store{dir / "text.db"}, 0; }) == Errc::corrupt);
  CHECK(test::code_of([&] { return Store{dir / "no" / "such.db"}, 0; }) == Errc::internal);
}

TEST_CASE("two services cannot share one store") {
  test::TempDir dir;
  const Store first{dir / "s.db"};
  CHECK(test::code_of([&] { return Store{dir / "s.db"}, 0; }) == Errc::conflict);
}

TEST_CASE("damaged records are reported, never read as something else") {
  test::TempDir dir;
  const auto damage =
      GENERATE(as<std::string>{}, "UPDATE alerts SET record = x'01'", "UPDATE alerts SET record = x'02'",
               "UPDATE streams SET record = substr(record, 1, length(record) - 1)",
               "UPDATE streams SET record = record || x'00'",
               "UPDATE alerts SET record = x'01' || x'ffffffffffffffff' || substr(record, 10)");
  {
    Store store{dir / "s.db"};
    store.save_alert(some_alert("a", AlertState::firing));
    store.save_streams(std::vector{some_stream("x")});
  }
  run_sql(dir / "s.db", damage);
  const Store store{dir / "s.db"};
  CHECK(test::code_of([&] { return store.load(); }) == Errc::corrupt);
}

TEST_CASE("a killed process loses no alert that save_alert returned for, nor its notices") {
  test::TempDir dir;
  int report[2];
  REQUIRE(::pipe(report) == 0);
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Writes alerts as fast as it can, telling each one that is durable, until it is killed.
    Store store{dir / "s.db"};
    for (int i = 0;; ++i) {
      if (i % 10 == 0) store.save_streams(std::vector{some_stream("x")});
      store.save_alert(some_alert(std::to_string(i), AlertState::firing, i), std::vector<Notice>{{0, "n"}});
      if (::write(report[1], &i, sizeof i) != sizeof i) ::_exit(1);
    }
  }
  ::close(report[1]);
  int told = -1;
  while (told < 25 && ::read(report[0], &told, sizeof told) == sizeof told) continue;
  ::kill(child, SIGKILL);
  while (::read(report[0], &told, sizeof told) == sizeof told) continue;  // what it told before it died
  ::close(report[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));

  const Store store{dir / "s.db"};
  CHECK(told >= 25);
  CHECK(store.load().alerts.size() >= static_cast<std::size_t>(told) + 1);
  CHECK(store.load().streams.size() == 1);
  CHECK(store.outbox().pending == store.load().alerts.size());
}

TEST_CASE("the files copied between two transactions open as the store was then") {
  test::TempDir dir;
  Store store{dir / "s.db"};
  store.save_alert(some_alert("a", AlertState::firing), std::vector<Notice>{{0, "n"}});
  fs::copy_file(dir / "s.db", dir / "copy.db");
  fs::copy_file(dir / "s.db-wal", dir / "copy.db-wal");
  store.save_alert(some_alert("b", AlertState::firing));
  const Store copy{dir / "copy.db"};
  REQUIRE(copy.load().alerts.size() == 1);
  CHECK(copy.load().alerts[0].id == "a");
  CHECK(copy.outbox().pending == 1);
}
