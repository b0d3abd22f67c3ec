// The Store's file: which ones it opens, which it takes over, and which it refuses.
#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "drift/store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/stored.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::drift;
using namespace driftd::test;
namespace fs = std::filesystem;

namespace {

void run_sql(const fs::path& file, const std::string& sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
}

}  // namespace

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
    CHECK(notices_in(store, DeliveryState::pending) == 0);
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
  CHECK(notices_in(copy, DeliveryState::pending) == 1);
}
