// A thin cover over SQLite: a connection, prepared statements with typed parameters, transactions that roll back unless
// committed.
//
// Confined to one thread at a time: the owner locks. Errors of SQLite become Error: corrupt (not a database, or a
// damaged one), conflict (another process holds it), no_space (the disk is full), internal (the rest, with SQLite's
// reason). sqlite.cpp is the only file of a library that needs sqlite3.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace driftd::sqlite {

class Database {
 public:
  enum class Mode {
    read,  // also where the directory cannot be written, provided that no other process left a journal there
    write  // created when missing
  };

  // `what` names the file in messages: "the catalog", say. Waits up to 5 s for another process's transaction.
  Database(const std::filesystem::path& file, Mode mode, std::string what);

  void execute(const std::string& sql);
  // The first column of the first row; 0 without a row.
  [[nodiscard]] std::int64_t integer(const std::string& sql);

  [[nodiscard]] sqlite3* handle() const { return handle_.get(); }
  [[nodiscard]] const std::string& what() const { return what_; }
  // Throws the Error that the connection's last failure stands for.
  [[noreturn]] void fail(const std::string& doing) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  std::string what_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// Parameters are bound from the left.
class Statement {
 public:
  Statement(const Database& db, std::string_view sql);

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view text);
  Statement& bind(std::span<const std::byte> bytes);

  // True while there is a row.
  bool step();
  // Ready to be bound and stepped again.
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::span<const std::byte> bytes(int column) const;  // until the next step()
  [[nodiscard]] std::string text(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement& check(int code);

  const Database& db_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

class Transaction {
 public:
  explicit Transaction(Database& db);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& db_;
  bool open_ = true;
};

}  // namespace driftd::sqlite
