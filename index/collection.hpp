// A reference on disk: versions of one set of items, of which one is live, changed while it is searched.
//
//   DIR/catalog.db     versions and changes (catalog.hpp)
//   DIR/versions/N/    the segment that version N was built as (segment.hpp)
//   DIR/LOCK           held by the one process that may write
//
// A version is a segment plus the changes made since. Compaction writes the items of the live version as a new segment
// and makes that a new, live version; the one before stays for rollback until it is pruned. A snapshot is a version
// that never changes again: the first write after it goes on in a new version.
//
// Thread-safe. Searching takes a lock only to copy one pointer. Writers wait for one another; a write is durable when
// its function returns, and done wholly or not at all. compact() and activate() do their long work beside writes.
//
// A directory that is a single segment (made by an earlier driftd, or copied out of versions/) opens read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/catalog.hpp"
#include "index/snapshot.hpp"

namespace driftd::index {

struct CollectionOptions {
  bool writable = false;
  std::size_t max_changes = 100'000;  // of a version; compaction makes room
  Device device;                      // where segments are searched; the tail always on the CPU
  // Called with each segment that is opened, to refuse it by throwing, or to keep something that goes with it: see
  // Segment::companion().
  std::function<std::shared_ptr<const void>(const Segment&)> companion;
  Segment::Progress opening;         // while open() loads, see Segment::open(); may be empty
  std::function<std::string()> now;  // RFC 3339, for the catalog; may be empty
};

struct VersionInfo {
  VersionRecord record;
  bool live = false;
};

struct Written {
  std::int64_t version = 0;
  std::uint64_t revision = 0;
};

struct StoredItem {
  Item item;
  std::vector<float> vector;  // as stored
};

class Collection {
 public:
  // Gives a new segment what it lacks before it is written: its index and the rest of its manifest. Returns its
  // attachments.
  using Finish = std::function<Segment::Attachments(Segment&, Manifest&)>;

  // Makes a collection of one version. Throws Error: conflict when `directory` exists, and what Segment::write()
  // throws.
  static void create(const std::filesystem::path& directory, const Segment& items, const Manifest& manifest,
                     const Segment::Attachments& attachments, const std::string& note = {});

  // Adds a version to a collection that another process may have open, and returns its number; live only if asked, and
  // then only where no other process writes. Throws Error: not_found, invalid_argument (another name), conflict
  // (another build runs, or the collection is in use).
  static std::int64_t add_version(const std::filesystem::path& directory, const Segment& items, Manifest manifest,
                                  const Segment::Attachments& attachments, const std::string& note, bool make_live);

  // Makes a collection of one version of another, or of a single segment: the same items, changes and number. Throws
  // Error: conflict when `to` exists, not_found, corrupt when the copy does not match its checksums.
  static void restore(const std::filesystem::path& from, std::optional<std::int64_t> version,
                      const std::filesystem::path& to);

  // Verifies and loads the live version. Where its files are damaged, the newest sound version is loaded instead,
  // fault() says why, and nothing can be written. Throws Error: not_found, conflict (another process writes), corrupt
  // (no version is sound), invalid_argument (a newer format), and what `companion` throws for the live version.
  [[nodiscard]] static std::unique_ptr<Collection> open(const std::filesystem::path& directory,
                                                        CollectionOptions options);
  ~Collection();

  // The live version as it is now.
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const;
  [[nodiscard]] std::string name() const;
  [[nodiscard]] const std::string& fault() const { return fault_; }  // empty: sound
  [[nodiscard]] std::vector<VersionInfo> versions() const;
  [[nodiscard]] std::optional<StoredItem> find(const std::string& id) const;

  // Throws Error{conflict} that says why, where nothing can be written.
  void require_writable() const;

  // Adds items, replacing those of the same id. All or none. Throws Error: invalid_argument (a bad item, a wrong
  // dimension, a value that is not finite, zeros under cosine), overloaded (max_changes: compact first), no_space,
  // conflict (read-only).
  Written upsert(std::vector<NewItem> items);
  // Removes the items that exist; `removed`, if given, receives how many those were.
  Written remove(std::span<const std::string> ids, std::size_t* removed = nullptr);

  // Any version, loaded beside the live one. Throws Error not_found.
  [[nodiscard]] std::shared_ptr<const Snapshot> load(std::int64_t version) const;
  // Makes a version live. Searches in flight finish on the version that they began with.
  std::shared_ptr<const Snapshot> activate(std::int64_t version);
  // Keeps the live version as it is now, for good; returns its number.
  std::int64_t take_snapshot(const std::string& note);
  // A snapshot may be pruned from then on. Throws Error: not_found, where it is none.
  void drop_snapshot(std::int64_t version);
  // Builds a segment of the live version's items and makes it live, unless another version was activated meanwhile.
  // Throws Error: conflict while another compaction runs, and where the version was removed meanwhile; invalid_argument
  // where nothing is left; what finish throws.
  std::int64_t compact(const Finish& finish);
  // Removes all but the newest `keep` versions, the live one and the snapshots, from catalog and disk; returns them.
  std::vector<std::int64_t> prune(std::size_t keep);

  // The number of changes since the live version's segment was built.
  [[nodiscard]] std::size_t changes() const;

 private:
  struct State;
  explicit Collection(std::filesystem::path directory, CollectionOptions options);
  void load_live();
  void fall_back();
  void remove_leftovers() const;
  Written write(std::vector<Change> changes);

  // Constant after open()
  const std::filesystem::path directory_;
  const CollectionOptions options_;
  std::string fault_;

  std::unique_ptr<State> state_;
};

// Faults of every file of every version, one sentence each, empty when sound. Throws Error{not_found}.
[[nodiscard]] std::vector<std::string> verify_collection(const std::filesystem::path& directory);

// The live version's manifest, checked against its own checksum: quick for any size.
[[nodiscard]] Manifest read_live_manifest(const std::filesystem::path& directory);

// A SHA-256 that changes with any byte of the live version: its segment's files and the changes made since.
[[nodiscard]] std::string live_digest(const std::filesystem::path& directory);

// What still speaks of an item: one sentence for each version that names it, and for each file of the live version in
// which the bytes of a vector that it had in one of them were found. Empty: erased.
struct Traces {
  std::vector<std::string> in_live;
  std::vector<std::string> in_others;
};
[[nodiscard]] Traces traces_of(const std::filesystem::path& directory, const std::string& id);

}  // namespace driftd::index
