// What a collection consists of, as one small SQLite file (WAL, synchronous=FULL): its versions, which one is live, and
// the changes made to each since its segment was built.
//
// A version is a segment (a directory of its own, FORMAT.md) and a list of changes. The catalog names a segment only
// when its files are synced. Every row is covered by a SHA-256: changes by a chain (each sum covers the one before),
// versions by one sum each, and all of them by the reference's row; SQLite itself notices few flipped bits.
//
// Confined to one thread at a time: the Collection locks. Another process may add a version at the same time (SQLite
// serialises transactions). Errors are those of core/sqlite.hpp; corrupt where a sum does not match; invalid_argument
// where a newer driftd wrote the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/sqlite.hpp"
#include "index/item.hpp"

namespace driftd::index {

struct Change {
  bool removed = false;  // the item of that id is gone; else it is added, or replaced
  NewItem value;
};

struct VersionRecord {
  std::int64_t version = 0;
  std::int64_t segment = 0;  // its directory: versions/<segment>
  std::string created;       // RFC 3339
  std::string origin;        // "build", "compaction", "write after snapshot 3", "restore"
  std::string note;          // a person's
  bool snapshot = false;     // kept, and never changed again
  std::int64_t changes = 0;  // how many
  std::string head;          // sum of the last change; empty without changes
};

class Catalog {
 public:
  // Makes the file. Throws Error{conflict} when it exists.
  static void create(const std::filesystem::path& file, const std::string& name, const VersionRecord& first);

  Catalog(const std::filesystem::path& file, sqlite::Database::Mode mode);

  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::int64_t live() const;
  [[nodiscard]] std::vector<VersionRecord> versions() const;  // ascending
  // Throws Error{not_found}.
  [[nodiscard]] VersionRecord version(std::int64_t number) const;
  // In order, with their sums checked, from the `after`-th on (0: all).
  void for_each_change(const VersionRecord& version, std::int64_t after,
                       const std::function<void(Change&&)>& use) const;

  // Each durable when it returns, or not done at all.
  void append(std::int64_t version, std::span<const Change> changes);
  // A number that no version has had. Numbers are never used twice.
  [[nodiscard]] std::int64_t reserve_number();
  // Adds the version with the changes of `copy_of` from the `after`-th on, and those given. copy_of 0: none.
  void add(VersionRecord added, std::int64_t copy_of, std::int64_t after, std::span<const Change> then, bool make_live);
  void set_live(std::int64_t version);
  void mark_snapshot(std::int64_t version, bool snapshot, const std::string& note);
  // Their changes are overwritten with zeros, in the journal too.
  void remove(std::span<const std::int64_t> versions);

  // Faults of the file as a whole, one sentence each: SQLite's own check and every sum.
  [[nodiscard]] std::vector<std::string> verify() const;

 private:
  void append_in_transaction(std::int64_t version, std::span<const Change> changes);
  void seal(VersionRecord changed);
  void seal_reference();
  [[nodiscard]] std::string reference_sum() const;

  mutable sqlite::Database db_;
};

}  // namespace driftd::index
