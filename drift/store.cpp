#include "drift/store.hpp"

#include <utility>

#include "core/error.hpp"
#include "drift/alert_record.hpp"
#include "drift/sound.hpp"
#include "drift/store_connection.hpp"
#include "drift/stream_record.hpp"

namespace driftd::drift {
namespace {

constexpr int kApplicationId = 0x64726674;  // "drft"
constexpr int kSchemaVersion = 4;  // 3: the record of a retrain request has its trial; 4: breakdowns and pictures

// Queries name these states by number.
static_assert(static_cast<int>(AlertState::resolved) == 2 && static_cast<int>(DeliveryState::pending) == 0);

constexpr const char* kVersion1 = R"(
  CREATE TABLE alerts (
    id TEXT PRIMARY KEY, state INTEGER NOT NULL, fired_ms INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
  CREATE INDEX alerts_by_time ON alerts (fired_ms, id);
  CREATE TABLE streams (name TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
)";

// Version 1 named the target of a notice by its place in the configuration, which may have changed since: notices of
// that time go, and whoever has not heard of a firing alert is told again.
constexpr const char* kVersion2 = R"(
  DROP TABLE IF EXISTS outbox;
  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, target TEXT NOT NULL, event TEXT NOT NULL,
    subject TEXT NOT NULL, payload BLOB NOT NULL, created_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    next_ms INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT '');
  CREATE INDEX outbox_due ON outbox (state, target, next_ms, seq);
  CREATE TABLE history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, at_ms INTEGER NOT NULL, what TEXT NOT NULL,
    who TEXT NOT NULL, note TEXT NOT NULL);
  CREATE INDEX history_of ON history (subject, seq);
  CREATE TABLE silences (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, streams TEXT NOT NULL, from_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL, who TEXT NOT NULL, note TEXT NOT NULL);
  CREATE TABLE retrains (
    id TEXT PRIMARY KEY, open INTEGER NOT NULL, created_ms INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
  CREATE INDEX retrains_by_time ON retrains (created_ms, id);
  CREATE TABLE feedback (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, stream TEXT NOT NULL, reference TEXT NOT NULL,
    predicted TEXT NOT NULL, label TEXT NOT NULL, at_ms INTEGER NOT NULL);
)";

constexpr const char* kVersion4 = R"(
  CREATE TABLE breakdowns (alert TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE pictures (
    alert TEXT NOT NULL, n INTEGER NOT NULL, request_id TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    jpeg BLOB NOT NULL, PRIMARY KEY (alert, n));
)";

void prepare_schema(Database& db, const std::string& name) {
  const auto application = db.integer("PRAGMA application_id");
  const auto version = db.integer("PRAGMA user_version");
  if (application == kApplicationId && version == kSchemaVersion) return;
  if (application == kApplicationId && version > kSchemaVersion) {
    throw Error{Errc::conflict, name + " has schema version " + std::to_string(version) +
                                    ", this program knows up to " + std::to_string(kSchemaVersion) +
                                    ": upgrade it, or give it another file"};
  }
  const bool ours = application == kApplicationId && version >= 1;
  if (!ours && (application != 0 || version != 0 || db.integer("SELECT count(*) FROM sqlite_schema") != 0)) {
    throw Error{Errc::conflict, name + " is a database of another program; give driftd a file of its own"};
  }
  Transaction transaction{db};
  if (!ours) db.execute(kVersion1);
  if (!ours || version == 1) db.execute(kVersion2);
  if (!ours || version <= 3) db.execute(kVersion4);
  db.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
  db.execute("PRAGMA user_version = " + std::to_string(kSchemaVersion));
  transaction.commit();
}

Database open(const std::filesystem::path& file) {
  Database db{file, Database::Mode::write, "the alert store " + file.string()};
  // Exclusive: two services on one file would overwrite each other's windows. Whoever holds it does so for good.
  db.execute(
      "PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.execute("BEGIN IMMEDIATE; COMMIT");
  require_sound(db);
  prepare_schema(db, file.string());
  return db;
}

void forget_old_alerts(Database& db, std::size_t limit) {
  const auto excess = db.integer("SELECT count(*) FROM alerts") - static_cast<std::int64_t>(limit);
  if (excess <= 0) return;
  const std::string oldest = "(SELECT id FROM alerts WHERE state = 2 ORDER BY fired_ms, id LIMIT ?)";
  for (const auto* rows : {"history WHERE subject", "breakdowns WHERE alert", "pictures WHERE alert"}) {
    Statement{db, "DELETE FROM " + std::string{rows} + " IN " + oldest}.bind(excess).step();
  }
  Statement{db, "DELETE FROM alerts WHERE id IN " + oldest}.bind(excess).step();
}

}  // namespace

Store::Store(const std::filesystem::path& file, StoreOptions options)
    : connection_{new Connection{options, Guarded<Database>{open(file)}}} {
  (void)load();  // all of it can be read back, or this is a damaged file
}

Store::~Store() = default;

void Store::save_alert(const Alert& alert, const News& news, std::int64_t now_ms) {
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    Statement{db, "INSERT OR REPLACE INTO alerts (id, state, fired_ms, record) VALUES (?, ?, ?, ?)"}
        .bind(alert.id)
        .bind(static_cast<std::int64_t>(alert.state))
        .bind(alert.fired.at_ms)
        .bind(encode(alert))
        .step();
    add_history(db, alert.id, news.history);
    queue(db, news.notices, connection_->options, now_ms);
    if (news.retrain) {
      put_retrain(db, *news.retrain, connection_->options);
      add_history(db, news.retrain->id, news.retrain_history);
    }
    forget_old_alerts(db, connection_->options.max_alerts);
    transaction.commit();
  });
}

void Store::save_streams(std::span<const StreamState> streams) {
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    Statement insert{db, "INSERT OR REPLACE INTO streams (name, record) VALUES (?, ?)"};
    for (const auto& stream : streams) {
      insert.bind(stream.name).bind(encode(stream)).step();
      insert.reset();
    }
    transaction.commit();
  });
}

MonitorState Store::load() const {
  return connection_->with([](Database& db) {
    MonitorState all;
    Statement streams{db, "SELECT record FROM streams ORDER BY name"};
    while (streams.step()) all.streams.push_back(decode_stream(streams.bytes(0)));
    Statement alerts{db, "SELECT record FROM alerts ORDER BY fired_ms, id"};
    while (alerts.step()) all.alerts.push_back(decode_alert(alerts.bytes(0)));
    return all;
  });
}

void add_history(Database& db, std::string_view subject, std::span<const HistoryEntry> entries) {
  if (entries.empty()) return;
  Statement insert{db, "INSERT INTO history (subject, at_ms, what, who, note) VALUES (?, ?, ?, ?, ?)"};
  for (const auto& entry : entries) {
    insert.bind(subject).bind(entry.at_ms).bind(entry.what).bind(entry.who).bind(entry.note).step();
    insert.reset();
  }
  Statement count{db, "SELECT count(*) FROM history WHERE subject = ?"};
  count.bind(subject).step();
  const auto excess = count.integer(0) - static_cast<std::int64_t>(kMaxHistory);
  if (excess <= 0) return;
  Statement{db,
            "DELETE FROM history WHERE seq IN (SELECT seq FROM history WHERE subject = ? "
            "ORDER BY what <> 'notified', seq LIMIT ?)"}
      .bind(subject)
      .bind(excess)
      .step();
}

std::vector<HistoryEntry> Store::history(std::string_view subject) const {
  return connection_->with([&](Database& db) {
    Statement query{db, "SELECT at_ms, what, who, note FROM history WHERE subject = ? ORDER BY seq"};
    query.bind(subject);
    std::vector<HistoryEntry> all;
    while (query.step()) all.push_back({query.integer(0), query.text(1), query.text(2), query.text(3)});
    return all;
  });
}

std::map<std::string, std::int64_t> Store::last_notified() const {
  return connection_->with([](Database& db) {
    Statement query{db, "SELECT subject, max(at_ms) FROM history WHERE what = 'notified' GROUP BY subject"};
    std::map<std::string, std::int64_t> all;
    while (query.step()) all[query.text(0)] = query.integer(1);
    return all;
  });
}

void Store::save_silence(const Silence& silence, std::string_view subject, const HistoryEntry& entry) {
  connection_->with([&](Database& db) {
    const auto limit = static_cast<std::int64_t>(connection_->options.max_silences);
    Transaction transaction{db};
    if (db.integer("SELECT count(*) FROM silences") >= limit) {
      Statement{db, "DELETE FROM silences WHERE until_ms <= ?"}.bind(entry.at_ms).step();
    }
    if (db.integer("SELECT count(*) FROM silences") >= limit) {
      throw Error{Errc::overloaded, "there are " + std::to_string(limit) +
                                        " silences that are not over; delete some, or use a pattern for many streams"};
    }
    Statement{db, "INSERT INTO silences (id, streams, from_ms, until_ms, who, note) VALUES (?, ?, ?, ?, ?, ?)"}
        .bind(silence.id)
        .bind(silence.streams)
        .bind(silence.from_ms)
        .bind(silence.until_ms)
        .bind(silence.who)
        .bind(silence.note)
        .step();
    if (!subject.empty()) add_history(db, subject, {&entry, 1});
    transaction.commit();
  });
}

void Store::remove_silences(std::span<const std::string> ids, std::string_view subject, const HistoryEntry& entry) {
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    for (const auto& id : ids) Statement{db, "DELETE FROM silences WHERE id = ?"}.bind(id).step();
    if (!subject.empty()) add_history(db, subject, {&entry, 1});
    transaction.commit();
  });
}

std::vector<Silence> Store::silences() const {
  return connection_->with([](Database& db) {
    Statement query{db, "SELECT id, streams, from_ms, until_ms, who, note FROM silences ORDER BY seq"};
    std::vector<Silence> all;
    while (query.step()) {
      all.push_back({query.text(0), query.text(1), query.integer(2), query.integer(3), query.text(4), query.text(5)});
    }
    return all;
  });
}

}  // namespace driftd::drift
