#include "drift/store.hpp"

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <limits>

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
  alert.moved = {{"brightness", false, 0.1, 0.75}};
  alert.evidence = {{"r\0q", 3, 4.5, 0.01, 0.8, {{"17", "bag", "train/bag/17.png", 0.7}, {}}}};
  alert.curve = {{{80, 8}, 0.5F, 0.1F}, {{100, 10}, 0.75F, std::numeric_limits<float>::infinity()}};
  return alert;
}

StreamState some_stream(const std::string& name) {
  StreamState stream;
  stream.name = name;
  stream.reference = "default@4";
  stream.first_ms = 1;
  stream.last_ms = 2;
  stream.window = {{true, false, true}, 30, 12};
  stream.time_window = {60, {{1000, 5, 2}, {1001, 3, 0}}};
  EDetector::Channel width{"properties", "width", true, RankHistogram::of_values(std::vector<float>(9, 28))};
  for (int i = 0; i < 300; ++i) width.ranks.learn(28);
  width.ranks.settle();
  width.ranks.learn(27);
  width.lower[1] = {0.1 + 0.2, {80, 8}};
  width.recent_rank = 0.25;
  stream.rules = {
      {"ood-rate", {{AlertMachine::Phase::pending, {90, 9}, 4}, ""}, {{}, {0.125}, {}}, {{{80, 8}, 0.5F, 0.1F}}},
      {"e-detector", {{AlertMachine::Phase::firing, {80, 8}, 2}, "a"}, {{score_channel(300), width}, {}, {}}, {}},
      {"ks", {}, {{}, {3, 0.1 + 0.2, -1}, {70, 7}}, {}}};
  stream.candidates = {{"r", 29, 4.5, 0.01, 0.8, {}}};
  return stream;
}

Notice notice(const std::string& id, const std::string& target = "ops", const std::string& payload = "{}") {
  return {id, target, "alert.firing", "a", payload};
}

RetrainRequest some_request(const std::string& id, RetrainStatus status, std::int64_t created_ms = 1) {
  RetrainRequest request;
  request.id = id;
  request.reference = "default@4";
  request.alerts = {"a", "b"};
  request.streams = {"line-1"};
  request.status = status;
  request.created_ms = created_ms;
  request.updated_ms = 2;
  request.reference_version = 5;
  request.command_started_ms = 3;
  request.exit_code = -1;
  request.output = "done";
  return request;
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
    store.save_streams(std::vector{some_stream("x")});  // those that are not among them stay
  }
  const auto saved = Store{dir / "s.db"}.load();
  REQUIRE(saved.alerts.size() == 2);
  CHECK(saved.alerts[0].id == "a");
  const auto& alert = saved.alerts[0];
  CHECK(alert.state == AlertState::resolved);
  CHECK(alert.started.image == 9);
  CHECK(alert.false_alarm_per_image == 1e-6);
  CHECK(alert.evidence.at(0).request_id == some_alert("a", AlertState::firing).evidence[0].request_id);
  REQUIRE(alert.curve.size() == 2);
  CHECK(alert.curve[1].at.image == 10);
  CHECK(alert.curve[1].value == 0.75F);
  CHECK(std::isinf(alert.curve[1].limit));
  CHECK(alert.evidence.at(0).neighbours.at(0).uri == "train/bag/17.png");
  REQUIRE(saved.streams.size() == 2);
  CHECK(saved.streams[1].name == "y");
  const auto& stream = saved.streams[0];
  CHECK(stream.name == "x");
  CHECK(stream.window.flags == std::vector<bool>{true, false, true});
  CHECK(stream.window.total_flagged == 12);
  REQUIRE(stream.time_window.buckets.size() == 2);
  CHECK(stream.time_window.seconds == 60);
  CHECK(stream.time_window.buckets[0].flagged == 2);
  REQUIRE(stream.rules.size() == 3);
  CHECK(stream.rules[0].watch.machine.phase == AlertMachine::Phase::pending);
  CHECK(stream.rules[0].watch.machine.held == 4);
  const auto& channels = stream.rules[1].detector.channels;
  REQUIRE(channels.size() == 2);
  CHECK(channels[0].ranks.state().places == score_channel(300).ranks.state().places);
  CHECK(channels[1].name == "width");
  CHECK(channels[1].both_ends);
  CHECK(channels[1].ranks.state().learned == std::vector<std::uint32_t>{0, 300, 0});
  CHECK(channels[1].ranks.state().waiting == std::vector<std::uint32_t>{1, 0, 0});
  CHECK(channels[1].lower[1].wealth == 0.1 + 0.2);
  CHECK(channels[1].lower[1].since.image == 8);
  CHECK(channels[1].recent_rank == 0.25);
  CHECK(stream.rules[1].name == "e-detector");
  CHECK(stream.rules[1].watch.machine.phase == AlertMachine::Phase::firing);
  CHECK(stream.rules[1].watch.alert_id == "a");
  CHECK(stream.rules[2].detector.numbers == std::vector<double>{3, 0.1 + 0.2, -1});
  REQUIRE(stream.rules[0].curve.size() == 1);
  CHECK(stream.rules[0].curve[0].value == 0.5F);
  CHECK(stream.rules[2].detector.begun.image == 7);
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
  const auto counts = store.outbox();
  CHECK(counts.pending == 1);
  CHECK(counts.delivered == 1);
  CHECK(counts.dead == 1);
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
  CHECK(store.outbox().pending == 2);
  CHECK(store.outbox().delivered == 0);
}

TEST_CASE("the history of an alert is kept in order and goes with the alert") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_alerts = 1}};
  const News fired{
      .history = {{90, "pending", "driftd", ""}, {100, "firing", "driftd", ""}, {100, "notified", "driftd", "1"}}};
  store.save_alert(some_alert("a", AlertState::firing), fired);
  store.save_alert(some_alert("a", AlertState::firing), {.history = {{110, "acknowledged", "ann", "a lens is dirty"}}});
  const auto history = store.history("a");
  REQUIRE(history.size() == 4);
  CHECK(history[3].what == "acknowledged");
  CHECK(history[3].who == "ann");
  CHECK(history[3].note == "a lens is dirty");
  CHECK(store.last_notified() == std::map<std::string, std::int64_t>{{"a", 100}});
  store.save_alert(some_alert("a", AlertState::resolved));
  store.save_alert(some_alert("b", AlertState::firing, 200));
  CHECK(store.history("a").empty());
}

TEST_CASE("a long history drops repeated notices first, then the oldest entries") {
  test::TempDir dir;
  Store store{dir / "s.db"};
  News news{.history = {{1, "firing", "driftd", ""}}};
  for (std::size_t i = 0; i < kMaxHistory; ++i) news.history.push_back({2, "notified", "driftd", ""});
  store.save_alert(some_alert("a", AlertState::firing), news);
  REQUIRE(store.history("a").size() == kMaxHistory);
  CHECK(store.history("a").front().what == "firing");
  for (std::size_t i = 0; i < kMaxHistory; ++i) {
    store.save_alert(some_alert("a", AlertState::firing), {.history = {{3, "acknowledged", "ann", std::to_string(i)}}});
  }
  REQUIRE(store.history("a").size() == kMaxHistory);
  CHECK(store.history("a").front().note == "0");
}

TEST_CASE("silences come back, go, and are bounded; those that are over make room") {
  test::TempDir dir;
  {
    Store store{dir / "s.db", {.max_silences = 2}};
    store.save_silence({"1", "line-*", 10, 20, "ann", "new lamps"}, "a", {10, "silenced", "ann", "new lamps"});
    store.save_silence({"2", "x", 10, 90, "", ""}, "", {});
    CHECK(store.history("a").size() == 1);
    CHECK(test::code_of([&] { return store.save_silence({"3", "y", 15, 90, "", ""}, "", {15, "", "", ""}), 0; }) ==
          Errc::overloaded);
    CHECK_NOTHROW(store.save_silence({"3", "y", 25, 90, "", ""}, "", {25, "", "", ""}));
    store.remove_silences(std::vector<std::string>{"2"}, "a", {30, "unsilenced", "bob", ""});
  }
  const Store store{dir / "s.db"};
  REQUIRE(store.silences().size() == 1);
  CHECK(store.silences()[0].id == "3");
  CHECK(store.silences()[0].until_ms == 90);
  CHECK(store.history("a").back().what == "unsilenced");
}

TEST_CASE("retrain requests come back as they were saved, with the alert that raised them") {
  test::TempDir dir;
  {
    Store store{dir / "s.db", {.max_retrains = 2}};
    const News news{.retrain = some_request("r1", RetrainStatus::requested, 1),
                    .retrain_history = {{1, "requested", "driftd", "a"}}};
    store.save_alert(some_alert("a", AlertState::firing), news);
    store.save_retrain(some_request("r2", RetrainStatus::failed, 2), {.history = {{2, "failed", "ci", ""}}}, 2);
    store.save_retrain(some_request("r3", RetrainStatus::training, 3), {}, 3);
  }
  const Store store{dir / "s.db"};
  const auto all = store.retrains();
  REQUIRE(all.size() == 2);
  CHECK(all[0].id == "r3");
  CHECK(all[0].status == RetrainStatus::training);
  CHECK(all[1].id == "r1");
  CHECK(all[1].alerts == std::vector<std::string>{"a", "b"});
  CHECK(all[1].exit_code == -1);
  CHECK(all[1].output == "done");
  CHECK(store.history("r1").size() == 1);
  CHECK(store.history("r2").empty());
  CHECK_FALSE(store.retrain("r2"));
  CHECK(store.retrain("r1")->reference_version == 5);
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
  const News large{.notices = {notice("1", "ops", "four")}};
  CHECK(test::code_of([&] { return store.save_alert(some_alert("a", AlertState::firing), large), 0; }) ==
        Errc::too_large);
}

TEST_CASE("a store of a newer program, of another program, or that is no database is refused") {
  test::TempDir dir;
  {
    const Store store{dir / "newer.db"};
  }
  run_sql(dir / "newer.db", "PRAGMA user_version = 1000");
  CHECK(test::code_of([&] { return Store{dir / "newer.db"}, 0; }) == Errc::conflict);
  run_sql(dir / "other.db", "CREATE TABLE t (x)");
  CHECK(test::code_of([&] { return Store{dir / "other.db"}, 0; }) == Errc::conflict);
  write_file_atomically(dir / "text.db", std::string(5000, 'x'));
  CHECK(test::code_of([&] { return Store{dir / "text.db"}, 0; }) == Errc::corrupt);
  CHECK(test::code_of([&] { return Store{dir / "no" / "such.db"}, 0; }) == Errc::internal);
}

TEST_CASE("judgements come back in order and are bounded") {
  test::TempDir dir;
  {
    Store store{dir / "s.db", {.max_feedback = 2}};
    for (const auto* id : {"1", "2", "3"}) store.save_judgement({id, "line-1", "default@1", "bag", "boot", 7});
  }
  const auto all = Store{dir / "s.db"}.judgements();
  REQUIRE(all.size() == 2);
  CHECK(all[0].request_id == "2");
  CHECK(all[1].label == "boot");
  CHECK_FALSE(all[1].correct());
}

TEST_CASE("a store of version 1 is taken over: alerts and windows stay, undelivered notices go") {
  test::TempDir dir;
  const std::string alert =
      "01010000000000000061010000000000000073090000000000000064656661756c74403408000000000000006f6f642d72617465015a0000"
      "0000000000090000000000000064000000000000000a0000000000000000000000000000000000000000000000000000000000e03f000000"
      "000000d03f000000000000e83f0a00000000000000000000000000c03f000000000000f03f07000000000000000800000000000000000000"
      "0000000000";
  const std::string stream =
      "01010000000000000073090000000000000064656661756c7440340100000000000000020000000000000003000000000000000200000000"
      "00000001001e000000000000000c000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
      "00000000f03f00000000000000000000000000000000000000000000f03f00000000000000000000000000000000000000000000f03f0000"
      "0000000000000000000000000000000000000000f03f00000000000000000000000000000000000000000000000000000000000000000000"
      "0000000000000000000000000000000000000000000000";
  run_sql(
      dir / "s.db",
      "CREATE TABLE alerts (id TEXT PRIMARY KEY, state INTEGER NOT NULL, fired_ms INTEGER NOT NULL, record BLOB NOT "
      "NULL) WITHOUT ROWID; CREATE TABLE streams (name TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, target INTEGER NOT NULL, "
      "payload BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL, state INTEGER);"
      "PRAGMA application_id = 1685218932; PRAGMA user_version = 1;"
      "INSERT INTO alerts VALUES ('a', 1, 100, x'" +
          alert +
          "');"
          "INSERT INTO streams VALUES ('s', x'" +
          stream +
          "');"
          "INSERT INTO outbox VALUES (1, 'a', 0, 'x', 0, 0, 0);");
  for (int open = 0; open < 2; ++open) {
    const Store store{dir / "s.db"};
    const auto saved = store.load();
    REQUIRE(saved.alerts.size() == 1);
    CHECK(saved.alerts[0].threshold == 0.125);
    CHECK(saved.alerts[0].acknowledged_ms == 7);
    REQUIRE(saved.streams.size() == 1);
    CHECK(saved.streams[0].window.total == 30);
    CHECK(store.outbox().pending == 0);
  }
}

TEST_CASE("two services cannot share one store") {
  test::TempDir dir;
  const Store first{dir / "s.db"};
  CHECK(test::code_of([&] { return Store{dir / "s.db"}, 0; }) == Errc::conflict);
}

TEST_CASE("damaged records are reported, never read as something else") {
  test::TempDir dir;
  const auto damage = GENERATE(as<std::string>{}, "UPDATE alerts SET record = x'01'",
                               "UPDATE alerts SET record = x'04' || substr(record, 2)",
                               "UPDATE streams SET record = substr(record, 1, length(record) - 1)",
                               "UPDATE streams SET record = record || x'00'",
                               "UPDATE alerts SET record = x'01' || x'ffffffffffffffff' || substr(record, 10)");
  {
    Store store{dir / "s.db"};
    store.save_alert(some_alert("a", AlertState::firing));
    store.save_streams(std::vector{some_stream("x")});
  }
  run_sql(dir / "s.db", damage);
  CHECK(test::code_of([&] { return Store{dir / "s.db"}, 0; }) == Errc::corrupt);
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
      store.save_alert(some_alert(std::to_string(i), AlertState::firing, i), {.notices = {notice(std::to_string(i))}});
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
  store.save_alert(some_alert("a", AlertState::firing), {.notices = {notice("1")}});
  fs::copy_file(dir / "s.db", dir / "copy.db");
  fs::copy_file(dir / "s.db-wal", dir / "copy.db-wal");
  store.save_alert(some_alert("b", AlertState::firing));
  const Store copy{dir / "copy.db"};
  REQUIRE(copy.load().alerts.size() == 1);
  CHECK(copy.load().alerts[0].id == "a");
  CHECK(copy.outbox().pending == 1);
}

TEST_CASE("the breakdown and the pictures of an alert come back, are added to, and go with the alert") {
  test::TempDir dir;
  const Breakdown breakdown{.from = 3, .until = {100, 9}, .images = 7, .strange = 5, .of_strange = true};
  const Picture first{0, "r1", 96, 64, {std::byte{1}, std::byte{2}}};
  const Picture second{1, "r2", 96, 96, {std::byte{3}}};
  Store store{dir / "s.db", {.max_alerts = 1}};
  CHECK_FALSE(store.save_evidence("a", breakdown, {}));
  store.save_alert(some_alert("a", AlertState::resolved));
  CHECK_FALSE(store.breakdown("a").has_value());
  CHECK(store.save_evidence("a", breakdown, {&first, 1}));
  CHECK(store.save_evidence("a", {.from = 3, .images = 14}, {&second, 1}));
  CHECK(store.breakdown("a")->images == 14);
  REQUIRE(store.pictures("a").size() == 2);
  CHECK(store.pictures("a")[1].request_id == "r2");
  CHECK(store.pictures("a")[0].height == 64);
  CHECK(store.picture("a", 0) == first.jpeg);
  CHECK(store.picture("a", 2).empty());
  store.save_alert(some_alert("b", AlertState::firing, 200));
  CHECK_FALSE(store.breakdown("a").has_value());
  CHECK(store.pictures("a").empty());
  CHECK(store.picture("a", 0).empty());
}
