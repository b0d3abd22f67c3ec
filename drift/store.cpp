#include "drift/store.hpp"

#include <sqlite3.h>

#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "drift/records.hpp"

namespace driftd::drift {
namespace {

constexpr int kApplicationId = 0x64726674;  // "drft"
constexpr int kSchemaVersion = 1;

// Queries below name these states by number.
static_assert(static_cast<int>(AlertState::resolved) == 2 && static_cast<int>(DeliveryState::pending) == 0);

constexpr const char* kSchema = R"(
  CREATE TABLE alerts (
    id TEXT PRIMARY KEY, state INTEGER NOT NULL, fired_ms INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
  CREATE INDEX alerts_by_time ON alerts (fired_ms, id);
  CREATE TABLE streams (name TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, alert_id TEXT NOT NULL, target INTEGER NOT NULL, payload BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0);
  CREATE INDEX outbox_due ON outbox (state, next_ms, id);
)";

[[noreturn]] void fail(sqlite3* db, const std::string& what) {
  const int code = db == nullptr ? SQLITE_NOMEM : sqlite3_errcode(db);
  const std::string reason = db == nullptr ? "out of memory" : sqlite3_errmsg(db);
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
    throw Error{Errc::corrupt, what + ": " + reason + "; restore the file from a copy, or move it away to start empty"};
  }
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    throw Error{Errc::conflict, what + ": another process holds the file; stop it, or give this one a file of its own"};
  }
  throw Error{Errc::internal, what + ": " + reason};
}

using Database = std::unique_ptr<sqlite3, decltype([](sqlite3* db) { sqlite3_close_v2(db); })>;

// One prepared statement, parameters bound from the left.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) : db_{db} {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &raw, nullptr) != SQLITE_OK) fail(db, "the alert store cannot prepare a query");
    statement_.reset(raw);
  }

  Statement& bind(std::int64_t value) { return check(sqlite3_bind_int64(statement_.get(), ++bound_, value)); }
  Statement& bind(std::string_view text) {
    return check(
        sqlite3_bind_text64(statement_.get(), ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  Statement& bind(std::span<const std::byte> bytes) {
    return check(sqlite3_bind_blob64(statement_.get(), ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
  }

  Statement& bind_null() { return check(sqlite3_bind_null(statement_.get(), ++bound_)); }

  // True while there is a row.
  bool step() {
    const int code = sqlite3_step(statement_.get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail(db_, "the alert store cannot read or write");
    return code == SQLITE_ROW;
  }
  void reset() {
    sqlite3_reset(statement_.get());
    bound_ = 0;
  }

  [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  [[nodiscard]] std::span<const std::byte> bytes(int column) const {
    const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
    return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }
  [[nodiscard]] std::string text(int column) const {
    const auto all = bytes(column);
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }

 private:
  Statement& check(int code) {
    if (code != SQLITE_OK) fail(db_, "the alert store cannot bind a value");
    return *this;
  }

  sqlite3* db_;
  std::unique_ptr<sqlite3_stmt, decltype([](sqlite3_stmt* s) { sqlite3_finalize(s); })> statement_;
  int bound_ = 0;
};

void execute(sqlite3* db, const char* sql, const std::string& what = "the alert store cannot write") {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(db, what);
}

// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(sqlite3* db) : db_{db} { execute(db, "BEGIN IMMEDIATE"); }
  ~Transaction() {
    if (db_ != nullptr) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    execute(db_, "COMMIT");
    db_ = nullptr;
  }

 private:
  sqlite3* db_;
};

std::int64_t one_integer(sqlite3* db, const char* sql) {
  Statement query{db, sql};
  return query.step() ? query.integer(0) : 0;
}

void prepare_schema(sqlite3* db, const std::string& name) {
  const auto application = one_integer(db, "PRAGMA application_id");
  const auto version = one_integer(db, "PRAGMA user_version");
  if (application == kApplicationId && version == kSchemaVersion) return;
  if (application == kApplicationId && version > kSchemaVersion) {
    throw Error{Errc::conflict, name + " has schema version " + std::to_string(version) +
                                    ", this program knows up to " + std::to_string(kSchemaVersion) +
                                    ": upgrade it, or give it another file"};
  }
  if (application != 0 || version != 0 || one_integer(db, "SELECT count(*) FROM sqlite_schema") != 0) {
    throw Error{Errc::corrupt, name + " is a database of another program; give driftd a file of its own"};
  }
  Transaction transaction{db};
  execute(db, kSchema);
  execute(db, ("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str());
  execute(db, ("PRAGMA user_version = " + std::to_string(kSchemaVersion)).c_str());
  transaction.commit();
}

Database open(const std::filesystem::path& file) {
  const auto what = "cannot open the alert store " + file.string();
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  Database db{raw};
  if (code != SQLITE_OK) fail(db.get(), what);
  // Exclusive: two services on one file would overwrite each other's windows.
  execute(db.get(), "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;", what);
  execute(db.get(), "BEGIN IMMEDIATE; COMMIT", what);
  prepare_schema(db.get(), file.string());
  return db;
}

void require_room(sqlite3* db, std::size_t wanted, std::size_t limit) {
  const auto rows = static_cast<std::size_t>(one_integer(db, "SELECT count(*) FROM outbox"));
  if (rows + wanted <= limit) return;
  const auto excess = rows + wanted - limit;
  Statement{db, "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state <> 0 ORDER BY id LIMIT ?)"}
      .bind(static_cast<std::int64_t>(excess))
      .step();
  if (static_cast<std::size_t>(sqlite3_changes(db)) < excess) {
    throw Error{Errc::overloaded, "the outbox holds " + std::to_string(limit) +
                                      " undelivered notices (max_outbox): the targets of alerts do not answer; mend or "
                                      "remove them"};
  }
}

void end_attempt(sqlite3* db, std::int64_t id, DeliveryState state, std::optional<std::int64_t> next_ms) {
  Statement update{db,
                   "UPDATE outbox SET attempts = attempts + 1, state = ?, next_ms = coalesce(?, next_ms) WHERE id = ?"};
  update.bind(static_cast<std::int64_t>(state));
  next_ms ? update.bind(*next_ms) : update.bind_null();
  update.bind(id).step();
  if (sqlite3_changes(db) == 0) throw Error{Errc::not_found, "no notice " + std::to_string(id) + " in the outbox"};
}

}  // namespace

struct Store::Connection {
  StoreOptions options;
  Guarded<Database> database;

  auto with(auto&& f) {
    return database.with([&](Database& db) { return f(db.get()); });
  }
};

Store::Store(const std::filesystem::path& file, StoreOptions options)
    : connection_{new Connection{options, Guarded<Database>{open(file)}}} {}

Store::~Store() = default;

void Store::save_alert(const Alert& alert, std::span<const Notice> notices, std::int64_t now_ms) {
  const auto& options = connection_->options;
  for (const auto& notice : notices) {
    if (notice.payload.size() > options.max_payload) {
      throw Error{Errc::too_large, "a notice of " + std::to_string(notice.payload.size()) +
                                       " bytes, over the limit of " + std::to_string(options.max_payload)};
    }
  }
  connection_->with([&](sqlite3* db) {
    Transaction transaction{db};
    Statement{db, "INSERT OR REPLACE INTO alerts (id, state, fired_ms, record) VALUES (?, ?, ?, ?)"}
        .bind(alert.id)
        .bind(static_cast<std::int64_t>(alert.state))
        .bind(alert.fired.at_ms)
        .bind(encode(alert))
        .step();
    Statement{db,
              "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE state = 2 ORDER BY fired_ms, id "
              "LIMIT max(0, (SELECT count(*) FROM alerts) - ?))"}
        .bind(static_cast<std::int64_t>(options.max_alerts))
        .step();
    if (!notices.empty()) require_room(db, notices.size(), options.max_outbox);
    for (const auto& notice : notices) {
      Statement{db, "INSERT INTO outbox (alert_id, target, payload, next_ms) VALUES (?, ?, ?, ?)"}
          .bind(alert.id)
          .bind(static_cast<std::int64_t>(notice.target))
          .bind(std::as_bytes(std::span{notice.payload}))
          .bind(now_ms)
          .step();
    }
    transaction.commit();
  });
}

void Store::save_streams(std::span<const StreamState> streams) {
  connection_->with([&](sqlite3* db) {
    Transaction transaction{db};
    execute(db, "DELETE FROM streams");
    Statement insert{db, "INSERT INTO streams (name, record) VALUES (?, ?)"};
    for (const auto& stream : streams) {
      insert.bind(stream.name).bind(encode(stream)).step();
      insert.reset();
    }
    transaction.commit();
  });
}

MonitorState Store::load() const {
  return connection_->with([](sqlite3* db) {
    MonitorState all;
    Statement streams{db, "SELECT record FROM streams ORDER BY name"};
    while (streams.step()) all.streams.push_back(decode_stream(streams.bytes(0)));
    Statement alerts{db, "SELECT record FROM alerts ORDER BY fired_ms, id"};
    while (alerts.step()) all.alerts.push_back(decode_alert(alerts.bytes(0)));
    return all;
  });
}

std::vector<Delivery> Store::due(std::int64_t now_ms, std::size_t limit) const {
  return connection_->with([&](sqlite3* db) {
    Statement query{
        db,
        "SELECT id, alert_id, target, payload, attempts, next_ms FROM outbox WHERE state = 0 AND next_ms <= ? "
        "ORDER BY next_ms, id LIMIT ?"};
    query.bind(now_ms).bind(static_cast<std::int64_t>(limit));
    std::vector<Delivery> all;
    while (query.step()) {
      all.push_back({query.integer(0), query.text(1), static_cast<std::size_t>(query.integer(2)), query.text(3),
                     static_cast<std::size_t>(query.integer(4)), query.integer(5), DeliveryState::pending});
    }
    return all;
  });
}

void Store::delivered(std::int64_t id) {
  connection_->with([&](sqlite3* db) { end_attempt(db, id, DeliveryState::delivered, std::nullopt); });
}

void Store::failed(std::int64_t id, std::int64_t next_ms) {
  connection_->with([&](sqlite3* db) { end_attempt(db, id, DeliveryState::pending, next_ms); });
}

void Store::dead(std::int64_t id) {
  connection_->with([&](sqlite3* db) { end_attempt(db, id, DeliveryState::dead, std::nullopt); });
}

OutboxCounts Store::outbox() const {
  return connection_->with([](sqlite3* db) {
    OutboxCounts counts;
    Statement query{db, "SELECT state, count(*) FROM outbox GROUP BY state"};
    while (query.step()) {
      const auto rows = static_cast<std::size_t>(query.integer(1));
      switch (static_cast<DeliveryState>(query.integer(0))) {
        case DeliveryState::pending:
          counts.pending = rows;
          break;
        case DeliveryState::delivered:
          counts.delivered = rows;
          break;
        case DeliveryState::dead:
          counts.dead = rows;
          break;
      }
    }
    return counts;
  });
}

}  // namespace driftd::drift
