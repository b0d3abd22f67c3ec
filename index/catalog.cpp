#include "index/catalog.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace driftd::index {
namespace {

using sqlite::Database;
using sqlite::Statement;
using sqlite::Transaction;

static_assert(std::endian::native == std::endian::little, "the file holds little-endian numbers");

constexpr int kApplicationId = 0x64726669;  // "drfi"
constexpr int kCatalogFormat = 1;

constexpr const char* kSchema = R"(
  CREATE TABLE reference (name TEXT NOT NULL, live INTEGER NOT NULL, next INTEGER NOT NULL, sum TEXT NOT NULL);
  CREATE TABLE versions (
    version INTEGER PRIMARY KEY, segment INTEGER NOT NULL, created TEXT NOT NULL, origin TEXT NOT NULL, note TEXT NOT NULL,
    snapshot INTEGER NOT NULL, changes INTEGER NOT NULL, head TEXT NOT NULL, sum TEXT NOT NULL);
  CREATE TABLE changes (
    version INTEGER NOT NULL, number INTEGER NOT NULL, removed INTEGER NOT NULL, id TEXT NOT NULL, label TEXT NOT NULL,
    uri TEXT NOT NULL, metadata TEXT NOT NULL, vector BLOB NOT NULL, attached BLOB NOT NULL, sum TEXT NOT NULL,
    PRIMARY KEY (version, number)) WITHOUT ROWID;
)";

[[noreturn]] void damaged(const std::string& what) {
  throw Error{Errc::corrupt, "catalog.db: " + what + " does not match its checksum; restore the file from a copy"};
}

// Bytes to be summed: each field after its length, so that no two lists of fields read the same.
class Summed {
 public:
  Summed& add(std::string_view text) {
    add(static_cast<std::int64_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  Summed& add(std::int64_t number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof number);
    return *this;
  }
  Summed& add(std::span<const float> values) {
    return add(std::string_view{reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }
  [[nodiscard]] std::string sum() const { return sha256(std::as_bytes(std::span{bytes_})); }

 private:
  std::string bytes_;
};

std::string sum_of(const Change& change, const std::string& previous) {
  const auto& item = change.value.item;
  return Summed{}
      .add(previous)
      .add(change.removed ? 1 : 0)
      .add(item.id)
      .add(item.label)
      .add(item.uri)
      .add(item.metadata)
      .add(std::span{change.value.vector})
      .add(std::span{change.value.attached})
      .sum();
}

std::string sum_of(const VersionRecord& v) {
  return Summed{}
      .add(v.version)
      .add(v.segment)
      .add(v.created)
      .add(v.origin)
      .add(v.note)
      .add(v.snapshot ? 1 : 0)
      .add(v.changes)
      .add(v.head)
      .sum();
}

std::vector<float> floats(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

constexpr const char* kVersionColumns = "version, segment, created, origin, note, snapshot, changes, head, sum";

VersionRecord record_from(const Statement& row) {
  VersionRecord v{row.integer(0), row.integer(1),      row.text(2),    row.text(3),
                  row.text(4),    row.integer(5) != 0, row.integer(6), row.text(7)};
  if (row.text(8) != sum_of(v)) damaged("version " + std::to_string(v.version));
  return v;
}

Change change_from(const Statement& row) {
  Change change{row.integer(0) != 0,
                {{row.text(1), row.text(2), row.text(3), row.text(4)}, floats(row.bytes(5)), floats(row.bytes(6))}};
  return change;
}

void insert_version(Database& db, const VersionRecord& v) {
  Statement insert{
      db, std::string{"INSERT OR REPLACE INTO versions ("} + kVersionColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"};
  insert.bind(v.version)
      .bind(v.segment)
      .bind(v.created)
      .bind(v.origin)
      .bind(v.note)
      .bind(v.snapshot ? 1 : 0)
      .bind(v.changes)
      .bind(v.head)
      .bind(sum_of(v))
      .step();
}

void set_pragmas(Database& db) {
  db.execute("PRAGMA journal_mode = WAL");
  db.execute("PRAGMA synchronous = FULL");
  db.execute("PRAGMA secure_delete = ON");  // a removed vector is overwritten, not only forgotten
}

void check_format(Database& db) {
  const auto format = db.integer("PRAGMA user_version");
  if (db.integer("PRAGMA application_id") != kApplicationId) {
    throw Error{Errc::corrupt, "catalog.db is no catalog of driftd's; restore it from a copy"};
  }
  if (format > kCatalogFormat) {
    throw Error{Errc::invalid_argument, "catalog.db has format " + std::to_string(format) +
                                            ", this driftd reads up to format " + std::to_string(kCatalogFormat) +
                                            ": use the driftd that wrote it, or a newer one"};
  }
}

}  // namespace

void Catalog::create(const std::filesystem::path& file, const std::string& name, const VersionRecord& first) {
  if (std::filesystem::exists(file)) throw Error{Errc::conflict, file.string() + " exists already"};
  Database db{file, Database::Mode::write, "catalog.db"};
  set_pragmas(db);
  {
    Transaction transaction{db};
    db.execute(kSchema);
    db.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
    db.execute("PRAGMA user_version = " + std::to_string(kCatalogFormat));
    Statement insert{db, "INSERT INTO reference (name, live, next, sum) VALUES (?, ?, ?, '')"};
    insert.bind(name).bind(first.version).bind(std::max(first.version, first.segment) + 1).step();
    transaction.commit();
  }
  Catalog catalog{file, Database::Mode::write};
  Transaction transaction{catalog.db_};
  insert_version(catalog.db_, first);
  catalog.seal_reference();
  transaction.commit();
}

Catalog::Catalog(const std::filesystem::path& file, Database::Mode mode) : db_{file, mode, "catalog.db"} {
  if (mode == Database::Mode::write) set_pragmas(db_);
  check_format(db_);
}

std::string Catalog::reference_sum() const {
  Statement reference{db_, "SELECT name, live, next FROM reference"};
  if (!reference.step()) damaged("the reference");
  Summed summed;
  summed.add(reference.text(0)).add(reference.integer(1)).add(reference.integer(2));
  Statement sums{db_, "SELECT sum FROM versions ORDER BY version"};
  while (sums.step()) summed.add(sums.text(0));
  return summed.sum();
}

void Catalog::seal_reference() {
  const auto sum = reference_sum();
  Statement update{db_, "UPDATE reference SET sum = ?"};
  update.bind(sum).step();
}

void Catalog::seal(VersionRecord changed) {
  insert_version(db_, changed);
  seal_reference();
}

std::string Catalog::name() const {
  Statement query{db_, "SELECT name, sum FROM reference"};
  if (!query.step() || query.text(1) != reference_sum()) damaged("the reference");
  return query.text(0);
}

std::int64_t Catalog::live() const {
  Statement query{db_, "SELECT live, sum FROM reference"};
  if (!query.step() || query.text(1) != reference_sum()) damaged("the reference");
  return query.integer(0);
}

std::vector<VersionRecord> Catalog::versions() const {
  std::vector<VersionRecord> all;
  Statement query{db_, std::string{"SELECT "} + kVersionColumns + " FROM versions ORDER BY version"};
  while (query.step()) all.push_back(record_from(query));
  return all;
}

VersionRecord Catalog::version(std::int64_t number) const {
  Statement query{db_, std::string{"SELECT "} + kVersionColumns + " FROM versions WHERE version = ?"};
  query.bind(number);
  if (!query.step()) {
    std::string known;
    for (const auto& v : versions()) known += (known.empty() ? "" : ", ") + std::to_string(v.version);
    throw Error{Errc::not_found, "there is no version " + std::to_string(number) + "; there are: " + known};
  }
  return record_from(query);
}

void Catalog::for_each_change(const VersionRecord& version, std::int64_t after,
                              const std::function<void(Change&&)>& use) const {
  Statement query{db_,
                  "SELECT removed, id, label, uri, metadata, vector, attached, sum, number FROM changes WHERE version "
                  "= ? ORDER BY number"};
  query.bind(version.version);
  std::string head;
  std::int64_t number = 0;
  while (number < version.changes && query.step()) {
    ++number;
    auto change = change_from(query);
    head = sum_of(change, head);
    if (query.integer(8) != number || query.text(7) != head) {
      damaged("change " + std::to_string(number) + " of version " + std::to_string(version.version));
    }
    if (number > after) use(std::move(change));
  }
  if (number != version.changes || head != version.head)
    damaged("the list of changes of version " + std::to_string(version.version));
}

void Catalog::append_in_transaction(std::int64_t version, std::span<const Change> changes) {
  if (changes.empty()) return;
  auto record = this->version(version);
  if (record.snapshot)
    throw Error{Errc::conflict, "version " + std::to_string(version) + " is a snapshot and never changes"};
  Statement insert{db_,
                   "INSERT INTO changes (version, number, removed, id, label, uri, metadata, vector, attached, sum) "
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
  for (const auto& change : changes) {
    const auto& [item, vector, attached] = change.value;
    record.head = sum_of(change, record.head);
    insert.bind(version)
        .bind(++record.changes)
        .bind(change.removed ? 1 : 0)
        .bind(item.id)
        .bind(item.label)
        .bind(item.uri)
        .bind(item.metadata)
        .bind(std::as_bytes(std::span{vector}))
        .bind(std::as_bytes(std::span{attached}))
        .bind(record.head)
        .step();
    insert.reset();
  }
  seal(record);
}

void Catalog::append(std::int64_t version, std::span<const Change> changes) {
  Transaction transaction{db_};
  append_in_transaction(version, changes);
  transaction.commit();
}

std::int64_t Catalog::reserve_number() {
  Transaction transaction{db_};
  (void)live();  // what is not sound is not carried on
  const auto number = db_.integer("SELECT next FROM reference");
  db_.execute("UPDATE reference SET next = next + 1");
  seal_reference();
  transaction.commit();
  return number;
}

void Catalog::add(VersionRecord added, std::int64_t copy_of, std::int64_t after, std::span<const Change> then,
                  bool make_live) {
  Transaction transaction{db_};
  added.changes = 0;
  added.head.clear();
  insert_version(db_, added);
  if (copy_of != 0) {
    std::vector<Change> copied;
    for_each_change(version(copy_of), after, [&](Change&& change) { copied.push_back(std::move(change)); });
    append_in_transaction(added.version, copied);
  }
  append_in_transaction(added.version, then);
  if (make_live) Statement{db_, "UPDATE reference SET live = ?"}.bind(added.version).step();
  seal_reference();
  transaction.commit();
}

void Catalog::set_live(std::int64_t version) {
  Transaction transaction{db_};
  (void)this->version(version);
  Statement{db_, "UPDATE reference SET live = ?"}.bind(version).step();
  seal_reference();
  transaction.commit();
}

void Catalog::mark_snapshot(std::int64_t version, bool snapshot, const std::string& note) {
  Transaction transaction{db_};
  auto record = this->version(version);
  record.snapshot = snapshot;
  record.note = note;
  seal(record);
  transaction.commit();
}

void Catalog::remove(std::span<const std::int64_t> versions) {
  {
    Transaction transaction{db_};
    for (const auto version : versions) {
      if (version == live())
        throw Error{Errc::conflict, "version " + std::to_string(version) + " is live: activate another one first"};
      Statement{db_, "DELETE FROM changes WHERE version = ?"}.bind(version).step();
      Statement{db_, "DELETE FROM versions WHERE version = ?"}.bind(version).step();
      seal_reference();
    }
    transaction.commit();
  }
  db_.execute("PRAGMA wal_checkpoint(TRUNCATE)");  // old pages live on in the journal until then
}

std::vector<std::string> Catalog::verify() const {
  std::vector<std::string> faults;
  const auto check = [&](auto&& part) {
    try {
      part();
    } catch (const Error& error) {
      faults.emplace_back(error.what());
    }
  };
  check([&] {
    Statement integrity{db_, "PRAGMA integrity_check(10)"};
    while (integrity.step()) {
      if (const auto text = integrity.text(0); text != "ok") faults.push_back("catalog.db: " + text);
    }
  });
  check([&] { (void)name(); });
  check([&] {
    for (const auto& version : versions()) {
      check([&] { for_each_change(version, version.changes, [](Change&&) {}); });
    }
  });
  return faults;
}

}  // namespace driftd::index
