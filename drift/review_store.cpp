#include "drift/review_store.hpp"

#include <cstring>
#include <utility>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/sqlite.hpp"
#include "drift/review_record.hpp"
#include "drift/sound.hpp"

namespace driftd::drift {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

constexpr int kApplicationId = 0x64726671;  // "drfq"
constexpr int kSchemaVersion = 1;

// Queries name these by number.
static_assert(static_cast<int>(ReviewState::waiting) == 0 && static_cast<int>(ReviewSource::diverse) == 0);

constexpr const char* kUnsynced = "PRAGMA synchronous = NORMAL";

constexpr const char* kSchema = R"(
  CREATE TABLE items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL, state INTEGER NOT NULL,
    stream TEXT NOT NULL, round INTEGER NOT NULL, image_bytes INTEGER NOT NULL, record BLOB NOT NULL);
  CREATE TABLE vectors (id TEXT PRIMARY KEY, vector BLOB NOT NULL);
  CREATE TABLE images (id TEXT PRIMARY KEY, jpeg BLOB NOT NULL);
  CREATE TABLE samples (
    stream TEXT PRIMARY KEY, reference TEXT NOT NULL, round INTEGER NOT NULL, since_ms INTEGER NOT NULL,
    seen INTEGER NOT NULL, missed INTEGER NOT NULL);
)";

Database open(const std::filesystem::path& file) {
  Database db{file, Database::Mode::write, "the review queue " + file.string()};
  db.execute("PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
  db.execute(kUnsynced);
  db.execute("BEGIN IMMEDIATE; COMMIT");
  require_sound(db);
  const auto application = db.integer("PRAGMA application_id");
  const auto version = db.integer("PRAGMA user_version");
  if (application == kApplicationId && version == kSchemaVersion) return db;
  if (application == kApplicationId) {
    throw Error{Errc::conflict, file.string() + " has schema version " + std::to_string(version) +
                                    ", this program knows " + std::to_string(kSchemaVersion) +
                                    ": upgrade it, or move the file away"};
  }
  if (application != 0 || version != 0 || db.integer("SELECT count(*) FROM sqlite_schema") != 0) {
    throw Error{Errc::conflict, file.string() + " is a database of another program; give driftd a folder of its own"};
  }
  Transaction transaction{db};
  db.execute(kSchema);
  db.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
  db.execute("PRAGMA user_version = " + std::to_string(kSchemaVersion));
  transaction.commit();
  return db;
}

// While it lives, a transaction is on the disk when it has been committed, and so is all that came before it.
class Synced {
 public:
  explicit Synced(Database& db) : db_{db} { db_.execute("PRAGMA synchronous = FULL"); }
  ~Synced() {
    try {
      db_.execute(kUnsynced);
    } catch (const Error&) {  // then every transaction waits for the disk
    }
  }
  Synced(const Synced&) = delete;
  Synced& operator=(const Synced&) = delete;

 private:
  Database& db_;
};

void erase(Database& db, std::string_view id) {
  for (const auto* sql :
       {"DELETE FROM items WHERE id = ?", "DELETE FROM vectors WHERE id = ?", "DELETE FROM images WHERE id = ?"}) {
    Statement{db, sql}.bind(id).step();
  }
}

std::vector<std::string> ids_of(Statement& query) {
  std::vector<std::string> ids;
  while (query.step()) ids.push_back(query.text(0));
  return ids;
}

ReviewItem item_of(const Statement& row) {  // of SELECT seq, image_bytes, record
  auto item = decode_review(row.bytes(2));
  item.order = row.integer(0);
  item.image_bytes = static_cast<std::size_t>(row.integer(1));
  return item;
}

std::int64_t image_bytes(Database& db) {
  return db.integer("SELECT coalesce(sum(image_bytes), 0) FROM items");
}

void drop_image(Database& db, std::string_view id) {
  Statement{db, "DELETE FROM images WHERE id = ?"}.bind(id).step();
  Statement{db, "UPDATE items SET image_bytes = 0 WHERE id = ?"}.bind(id).step();
}

void save(Database& db, std::span<const SampleState> samples) {
  Statement replace{
      db, "REPLACE INTO samples (stream, reference, round, since_ms, seen, missed) VALUES (?, ?, ?, ?, ?, ?)"};
  for (const auto& sample : samples) {
    replace.bind(sample.stream).bind(sample.reference).bind(sample.round).bind(sample.since_ms);
    replace.bind(static_cast<std::int64_t>(sample.seen)).bind(static_cast<std::int64_t>(sample.missed)).step();
    replace.reset();
  }
}

// Whether an image of that many bytes has room, after those of answered items have made way.
bool make_room(Database& db, std::size_t wanted, std::size_t limit) {
  if (wanted > limit) return false;
  const auto fits = [&] { return static_cast<std::size_t>(image_bytes(db)) + wanted <= limit; };
  if (fits()) return true;
  Statement answered{db, "SELECT id FROM items WHERE state <> 0 AND image_bytes > 0 ORDER BY seq"};
  for (const auto& id : ids_of(answered)) {
    drop_image(db, id);
    if (fits()) return true;
  }
  return false;
}

// A member of a sample goes when the sample does: the estimate needs all of them.
void forget_answered(Database& db, std::size_t limit) {
  const auto excess = db.integer("SELECT count(*) FROM items WHERE state <> 0") - static_cast<std::int64_t>(limit);
  if (excess <= 0) return;
  Statement oldest{
      db,
      "SELECT id FROM items AS i WHERE state <> 0 AND NOT (source = 1 AND EXISTS "
      "(SELECT 1 FROM samples AS s WHERE s.stream = i.stream AND s.round = i.round)) ORDER BY seq LIMIT ?"};
  oldest.bind(excess);
  for (const auto& id : ids_of(oldest)) erase(db, id);
}

}  // namespace

struct ReviewStore::Connection {
  ReviewStoreOptions options;
  Guarded<Database> database;
  auto with(auto&& f) { return database.with(f); }
};

ReviewStore::ReviewStore(const std::filesystem::path& file, ReviewStoreOptions options)
    : connection_{new Connection{options, Guarded<Database>{open(file)}}} {
  (void)items({.limit = INT32_MAX});  // all of them can be read back, or this is a damaged file
}

ReviewStore::~ReviewStore() = default;

ReviewItem ReviewStore::add(ReviewItem item, std::span<const float> vector, std::span<const std::byte> jpeg,
                            std::span<const std::string> gone, const std::optional<SampleState>& sample) {
  return connection_->with([&](Database& db) {
    Transaction transaction{db};
    for (const auto& id : gone) erase(db, id);
    item.image_bytes = !jpeg.empty() && make_room(db, jpeg.size(), connection_->options.max_bytes) ? jpeg.size() : 0;
    if (item.image_bytes == 0) item.width = item.height = 0;
    Statement{db,
              "INSERT INTO items (id, source, state, stream, round, image_bytes, record) VALUES (?, ?, ?, ?, ?, ?, ?)"}
        .bind(item.id)
        .bind(static_cast<std::int64_t>(item.source))
        .bind(static_cast<std::int64_t>(item.state))
        .bind(item.stream)
        .bind(item.round)
        .bind(static_cast<std::int64_t>(item.image_bytes))
        .bind(encode(item))
        .step();
    item.order = db.integer("SELECT last_insert_rowid()");
    Statement{db, "INSERT INTO vectors (id, vector) VALUES (?, ?)"}.bind(item.id).bind(std::as_bytes(vector)).step();
    if (item.image_bytes > 0)
      Statement{db, "INSERT INTO images (id, jpeg) VALUES (?, ?)"}.bind(item.id).bind(jpeg).step();
    if (sample) save(db, {&*sample, 1});
    transaction.commit();
    return item;
  });
}

void ReviewStore::update(const ReviewItem& item) {
  connection_->with([&](Database& db) {
    const Synced synced{db};
    Transaction transaction{db};
    Statement{db, "UPDATE items SET state = ?, round = ?, record = ? WHERE id = ?"}
        .bind(static_cast<std::int64_t>(item.state))
        .bind(item.round)
        .bind(encode(item))
        .bind(item.id)
        .step();
    if (db.integer("SELECT changes()") == 0) throw Error{Errc::not_found, "this image has made room for another one"};
    forget_answered(db, connection_->options.max_answered);
    transaction.commit();
  });
}

void ReviewStore::remove(std::span<const std::string> ids) {
  if (ids.empty()) return;
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    for (const auto& id : ids) erase(db, id);
    transaction.commit();
  });
}

std::optional<ReviewItem> ReviewStore::item(std::string_view id) const {
  return connection_->with([&](Database& db) -> std::optional<ReviewItem> {
    Statement query{db, "SELECT seq, image_bytes, record FROM items WHERE id = ?"};
    if (!query.bind(id).step()) return std::nullopt;
    return item_of(query);
  });
}

std::vector<ReviewItem> ReviewStore::items(const ReviewQuery& wanted) const {
  return connection_->with([&](Database& db) {
    Statement query{
        db,
        "SELECT seq, image_bytes, record FROM items WHERE seq < ? AND (? < 0 OR state = ?) AND (? < 0 OR source = ?) "
        "AND (? = '' OR stream = ?) ORDER BY seq DESC LIMIT ?"};
    const auto state = wanted.state ? static_cast<std::int64_t>(*wanted.state) : -1;
    const auto source = wanted.source ? static_cast<std::int64_t>(*wanted.source) : -1;
    query.bind(wanted.before).bind(state).bind(state).bind(source).bind(source).bind(wanted.stream).bind(wanted.stream);
    query.bind(static_cast<std::int64_t>(wanted.limit));
    std::vector<ReviewItem> all;
    while (query.step()) all.push_back(item_of(query));
    return all;
  });
}

std::vector<ReviewMember> ReviewStore::members(std::string_view stream) const {
  return connection_->with([&](Database& db) {
    Statement query{db, "SELECT id, state, round FROM items WHERE source = 1 AND stream = ? ORDER BY seq DESC"};
    query.bind(stream);
    std::vector<ReviewMember> all;
    while (query.step()) all.push_back({query.text(0), static_cast<ReviewState>(query.integer(1)), query.integer(2)});
    return all;
  });
}

std::vector<float> ReviewStore::vector(std::string_view id) const {
  return connection_->with([&](Database& db) {
    Statement query{db, "SELECT vector FROM vectors WHERE id = ?"};
    if (!query.bind(id).step()) throw Error{Errc::not_found, "there is no such image in the review queue"};
    const auto bytes = query.bytes(0);
    std::vector<float> values(bytes.size() / sizeof(float));
    if (values.size() * sizeof(float) != bytes.size()) throw Error{Errc::corrupt, "a stored embedding is damaged"};
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  });
}

std::vector<std::byte> ReviewStore::image(std::string_view id) const {
  return connection_->with([&](Database& db) {
    Statement query{db, "SELECT jpeg FROM images WHERE id = ?"};
    if (!query.bind(id).step()) return std::vector<std::byte>{};
    const auto bytes = query.bytes(0);
    return std::vector<std::byte>{bytes.begin(), bytes.end()};
  });
}

ReviewCounts ReviewStore::counts() const {
  return connection_->with([](Database& db) {
    Statement query{db, "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state <> 0) FROM items"};
    query.step();
    return ReviewCounts{static_cast<std::size_t>(query.integer(0)), static_cast<std::size_t>(query.integer(1)),
                        static_cast<std::size_t>(image_bytes(db))};
  });
}

void ReviewStore::save_samples(std::span<const SampleState> samples) {
  connection_->with([&](Database& db) {
    Transaction transaction{db};
    db.execute("DELETE FROM samples");
    save(db, samples);
    transaction.commit();
  });
}

std::vector<SampleState> ReviewStore::samples() const {
  return connection_->with([](Database& db) {
    Statement query{db, "SELECT stream, reference, round, since_ms, seen, missed FROM samples ORDER BY stream"};
    std::vector<SampleState> all;
    while (query.step()) {
      all.push_back({query.text(0), query.text(1), query.integer(2), query.integer(3),
                     static_cast<std::uint64_t>(query.integer(4)), static_cast<std::uint64_t>(query.integer(5))});
    }
    return all;
  });
}

}  // namespace driftd::drift
