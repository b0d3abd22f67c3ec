#include "core/sqlite.hpp"

#include <sqlite3.h>

#include <utility>

#include "core/error.hpp"

namespace driftd::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr int kPatienceMs = 5000;

// A file: URI keeps every byte of the path but those with a meaning of their own.
std::string uri_of(const fs::path& file, bool immutable) {
  std::string uri = "file:";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : fs::absolute(file).string()) {
    if (c == '%' || c == '?' || c == '#') {
      const auto byte = static_cast<unsigned char>(c);
      uri += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    } else {
      uri += c;
    }
  }
  return immutable ? uri + "?immutable=1" : uri;
}

}  // namespace

void Database::Close::operator()(sqlite3* db) const {
  sqlite3_close_v2(db);
}
void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Database::Database(const fs::path& file, Mode mode, std::string what) : what_{std::move(what)} {
  const auto open = [&](bool immutable) {
    sqlite3* raw = nullptr;
    const int flags = mode == Mode::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    const int code =
        sqlite3_open_v2(uri_of(file, immutable).c_str(), &raw, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(raw);
    if (code != SQLITE_OK) fail("cannot be opened");
    sqlite3_busy_timeout(raw, kPatienceMs);
    // Opening reads nothing: this does.
    return sqlite3_exec(raw, "SELECT count(*) FROM sqlite_schema", nullptr, nullptr, nullptr);
  };
  int code = open(false);
  // A reader of a WAL database wants to make the file of its shared memory; on a read-only disk it cannot.
  const bool cannot_share = code == SQLITE_CANTOPEN || code == SQLITE_READONLY;
  if (cannot_share && mode == Mode::read && !fs::exists(file.string() + "-wal")) code = open(true);
  if (code != SQLITE_OK) fail("cannot be read");
}

void Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail("cannot be written");
}

std::int64_t Database::integer(const std::string& sql) {
  Statement query{*this, sql};
  return query.step() ? query.integer(0) : 0;
}

void Database::fail(const std::string& doing) const {
  const int code = handle_ == nullptr ? SQLITE_NOMEM : sqlite3_errcode(handle_.get()) & 0xff;
  const auto text = what_ + " " + doing + ": " + (handle_ == nullptr ? "out of memory" : sqlite3_errmsg(handle_.get()));
  switch (code) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw Error{Errc::corrupt, text + "; restore the file from a copy"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Error{Errc::conflict, text + "; another process holds it"};
    case SQLITE_FULL:
      throw Error{Errc::no_space, text + "; make room on the disk, then try again"};
    default:
      throw Error{Errc::internal, text};
  }
}

Statement::Statement(const Database& db, std::string_view sql) : db_{db} {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db.handle(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr) != SQLITE_OK)
    db.fail("cannot be queried");
  statement_.reset(raw);
}

Statement& Statement::bind(std::int64_t value) {
  return check(sqlite3_bind_int64(statement_.get(), ++bound_, value));
}

Statement& Statement::bind(std::string_view text) {
  const char* data = text.empty() ? "" : text.data();  // a null pointer would bind NULL
  return check(sqlite3_bind_text64(statement_.get(), ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

Statement& Statement::bind(std::span<const std::byte> bytes) {
  // A null pointer would bind NULL, which is not an empty blob.
  if (bytes.empty()) return check(sqlite3_bind_zeroblob(statement_.get(), ++bound_, 0));
  return check(sqlite3_bind_blob64(statement_.get(), ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
}

Statement& Statement::check(int code) {
  if (code != SQLITE_OK) db_.fail("cannot bind a value");
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) db_.fail("cannot be read or written");
  return code == SQLITE_ROW;
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  bound_ = 0;
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::span<const std::byte> Statement::bytes(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  return {data, data == nullptr ? 0 : static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string Statement::text(int column) const {
  const auto all = bytes(column);
  return {reinterpret_cast<const char*>(all.data()), all.size()};
}

Transaction::Transaction(Database& db) : db_{db} {
  db_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  db_.execute("COMMIT");
  open_ = false;
}

}  // namespace driftd::sqlite
