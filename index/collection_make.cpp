// Collections made, and versions added, without opening them for use: declared in collection.hpp.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/lock_file.hpp"
#include "index/collection.hpp"
#include "index/layout.hpp"

namespace driftd::index {
namespace {

namespace fs = std::filesystem;
using Mode = sqlite::Database::Mode;

// An empty directory beside `directory`, for publish_directory() to put in its place.
fs::path begin(const fs::path& directory) {
  if (fs::exists(directory))
    throw Error{Errc::conflict, directory.string() + " exists already; choose another one, or remove it"};
  auto staging = directory;
  staging += ".building";
  fs::remove_all(staging);
  fs::create_directories(staging / "versions");
  return staging;
}

VersionRecord built(const Manifest& manifest, const std::string& note) {
  return {.version = manifest.version,
          .segment = manifest.version,
          .created = manifest.created,
          .origin = "build",
          .note = note};
}

}  // namespace

void Collection::create(const fs::path& directory, const Segment& items, const Manifest& manifest,
                        const Segment::Attachments& attachments, const std::string& note) {
  const auto staging = begin(directory);
  items.write(segment_of(staging, manifest.version), manifest, attachments);
  Catalog::create(catalog_of(staging), manifest.name, built(manifest, note));
  publish_directory(staging, directory);
}

std::int64_t Collection::add_version(const fs::path& directory, const Segment& items, Manifest manifest,
                                     const Segment::Attachments& attachments, const std::string& note, bool make_live) {
  require_collection(directory);
  std::optional<LockFile> writer;
  if (make_live) writer.emplace(lock_of(directory));
  const LockFile building{build_lock_of(directory)};
  Catalog catalog{catalog_of(directory), Mode::write};
  if (catalog.name() != manifest.name) {
    throw Error{Errc::invalid_argument,
                directory.string() + " holds the reference \"" + catalog.name() + "\", not \"" + manifest.name + "\""};
  }
  manifest.version = catalog.reserve_number();
  items.write(segment_of(directory, manifest.version), manifest, attachments);
  catalog.add(built(manifest, note), 0, 0, {}, make_live);
  return manifest.version;
}

void Collection::restore(const fs::path& from, std::optional<std::int64_t> version, const fs::path& to) {
  const auto staging = begin(to);
  const bool single = is_single_segment(from);
  VersionRecord record;
  std::string name;
  std::vector<Change> changes;
  if (single) {
    const auto manifest = read_manifest(from);
    name = manifest.name;
    record.version = manifest.version;
    record.segment = manifest.version;
    record.created = manifest.created;
  } else {
    require_collection(from);
    const Catalog catalog{catalog_of(from), Mode::read};
    name = catalog.name();
    record = catalog.version(version.value_or(catalog.live()));
    catalog.for_each_change(record, 0, [&](Change&& change) { changes.push_back(std::move(change)); });
  }
  const auto copy = segment_of(staging, record.segment);
  fs::copy(single ? from : segment_of(from, record.segment), copy, fs::copy_options::recursive);
  if (const auto faults = verify(copy); !faults.empty())
    throw Error{Errc::corrupt, from.string() + ": " + faults.front()};
  record.origin = "restored";
  record.snapshot = false;
  record.changes = 0;
  record.head.clear();
  Catalog::create(catalog_of(staging), name, record);
  Catalog{catalog_of(staging), Mode::write}.append(record.version, changes);
  publish_directory(staging, to);
}

}  // namespace driftd::index
