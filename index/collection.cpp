#include "index/collection.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "core/lock_file.hpp"
#include "index/draft.hpp"
#include "index/layout.hpp"

namespace driftd::index {
namespace {

namespace fs = std::filesystem;
using Mode = sqlite::Database::Mode;

std::shared_ptr<const Segment> open_segment(const fs::path& directory, const CollectionOptions& options,
                                            const Segment::Progress& progress = {}) {
  auto segment = std::make_shared<Segment>(Segment::open(directory, progress));
  if (options.device != Device{}) segment->place(options.device);
  if (options.companion) {
    segment->set_companion(options.companion(*segment));
    segment->drop_attachments();
  }
  return segment;
}

std::unique_ptr<Draft> draft_of(const fs::path& directory, const VersionRecord& version, const Catalog& catalog,
                                std::shared_ptr<const Segment> base) {
  auto draft = std::make_unique<Draft>(std::move(base));
  catalog.for_each_change(version, 0, [&](Change&& change) {
    if (!change.removed && change.value.vector.size() != draft->base()->dimension()) {
      throw Error{Errc::corrupt, catalog_of(directory).string() + ": a change has a vector of another dimension"};
    }
    draft->apply(std::move(change));
  });
  return draft;
}

// The folder of a segment, which goes unless it is kept: each try that fails would leave another one, most of all on a
// full disk.
class Unfinished {
 public:
  explicit Unfinished(fs::path directory) : directory_{std::move(directory)} {}
  ~Unfinished() {
    if (directory_.empty()) return;
    std::error_code ignored;
    for (const auto* end : {"", ".building"}) fs::remove_all(directory_.string() + end, ignored);
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  [[nodiscard]] const fs::path& directory() const { return directory_; }
  void keep() { directory_.clear(); }

 private:
  fs::path directory_;
};

// Of a segment that no catalog speaks of: nothing can be written to it.
VersionRecord segment_alone(std::int64_t segment) {
  return {.version = segment, .segment = segment, .snapshot = true};
}

// As the live version's vectors are stored.
void scale(std::vector<Change>& changes, Metric metric) {
  if (metric != Metric::cosine) return;
  for (auto& change : changes) {
    if (change.removed) continue;
    try {
      scale_to_unit(change.value.vector);
    } catch (const Error& error) {
      throw Error{error.code(), "item \"" + change.value.item.id + "\": " + error.what()};
    }
  }
}

void require_catalog(const std::optional<Catalog>& catalog, const std::string& fault) {
  if (!fault.empty()) throw Error{Errc::conflict, "this reference is damaged, so nothing of it is changed: " + fault};
  if (!catalog) {
    throw Error{
        Errc::conflict,
        "this reference is a single segment without versions; make a collection of it with: driftd index restore"};
  }
}

}  // namespace

// Lock order: compacting, switching, writing. `live` is a leaf.
struct Collection::State {
  std::optional<LockFile> lock;  // constant after open()

  std::mutex compacting;  // held by compact() for its whole length
  std::mutex switching;   // held by activate() and prune() for theirs

  mutable std::mutex writing;      // guards the rest
  std::optional<Catalog> catalog;  // none: a single segment, or a damaged catalog
  std::unique_ptr<Draft> draft;    // of the live version
  VersionRecord version;           // the live one; its changes and head are the catalog's business

  Guarded<std::shared_ptr<const Snapshot>> live;

  void publish() {
    auto next = draft->snapshot(version.version);
    live.with([&](auto& current) { current.swap(next); });
  }
  void switch_to(std::unique_ptr<Draft> next, VersionRecord record) {
    draft = std::move(next);
    version = std::move(record);
    publish();
  }
};

Collection::Collection(fs::path directory, CollectionOptions options)
    : directory_{std::move(directory)}, options_{std::move(options)}, state_{std::make_unique<State>()} {}
Collection::~Collection() = default;

// --- Opening ---

std::unique_ptr<Collection> Collection::open(const fs::path& directory, CollectionOptions options) {
  std::unique_ptr<Collection> collection{new Collection{directory, std::move(options)}};
  auto& state = *collection->state_;
  if (is_single_segment(directory)) {
    auto draft = std::make_unique<Draft>(open_segment(directory, collection->options_, collection->options_.opening));
    const auto version = draft->base()->manifest().version;
    state.switch_to(std::move(draft), segment_alone(version));
    return collection;
  }
  require_collection(directory);
  if (collection->options_.writable) {
    state.lock.emplace(lock_of(directory));
    collection->remove_leftovers();
  }
  try {
    collection->load_live();
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    collection->fault_ = error.what();
    collection->fall_back();
  }
  return collection;
}

void Collection::load_live() {
  auto& state = *state_;
  state.catalog.emplace(catalog_of(directory_), options_.writable ? Mode::write : Mode::read);
  const auto record = state.catalog->version(state.catalog->live());
  auto base = open_segment(segment_of(directory_, record.segment), options_, options_.opening);
  auto draft = draft_of(directory_, record, *state.catalog, std::move(base));
  state.switch_to(std::move(draft), record);
}

// The newest sound segment, without the changes made to it: they are in the catalog, which may be what is damaged.
void Collection::fall_back() {
  for (const auto segment : segments_in(directory_)) {
    try {
      auto draft = std::make_unique<Draft>(open_segment(segment_of(directory_, segment), options_, options_.opening));
      state_->switch_to(std::move(draft), segment_alone(segment));
      return;
    } catch (const Error& error) {
      if (error.code() != Errc::corrupt && error.code() != Errc::not_found) throw;
    }
  }
  throw Error{Errc::corrupt, fault_ + " No other version is sound"};
}

// Segments that no version names: a build or a compaction was cut off before its transaction.
void Collection::remove_leftovers() const {
  try {
    const LockFile no_build_runs{build_lock_of(directory_)};
    std::set<std::string> named{".lock"};
    const Catalog catalog{catalog_of(directory_), Mode::read};
    for (const auto& version : catalog.versions()) named.insert(std::to_string(version.segment));
    for (const auto& entry : fs::directory_iterator{directory_ / "versions"}) {
      if (!named.contains(entry.path().filename().string())) fs::remove_all(entry.path());
    }
  } catch (const Error&) {
    // A build runs, or the catalog is damaged: nothing is thrown away then.
  }
}

// --- Reading ---

std::shared_ptr<const Snapshot> Collection::snapshot() const {
  return state_->live.with([](const auto& current) { return current; });
}

std::string Collection::name() const {
  return snapshot()->manifest().name;
}

std::vector<VersionInfo> Collection::versions() const {
  const std::lock_guard lock{state_->writing};
  if (!state_->catalog || !fault_.empty()) return {{state_->version, true}};
  std::vector<VersionInfo> all;
  for (auto& record : state_->catalog->versions()) {
    const bool live = record.version == state_->version.version;
    all.push_back({std::move(record), live});
  }
  return all;
}

std::optional<StoredItem> Collection::find(const std::string& id) const {
  const std::lock_guard lock{state_->writing};
  const auto row = state_->draft->find(id);
  if (!row) return std::nullopt;
  const auto current = snapshot();
  return StoredItem{copy_of(current->item(*row)), current->vector(static_cast<std::size_t>(*row))};
}

std::size_t Collection::changes() const {
  return static_cast<std::size_t>(snapshot()->revision());
}

// --- Writing ---

Written Collection::upsert(std::vector<NewItem> items) {
  const auto dimension = snapshot()->dimension();
  std::vector<Change> changes;
  changes.reserve(items.size());
  for (auto& item : items) {
    check(item, dimension);
    changes.push_back({false, std::move(item)});
  }
  return write(std::move(changes));
}

Written Collection::remove(std::span<const std::string> ids, std::size_t* removed) {
  std::vector<Change> changes;
  {
    const std::lock_guard lock{state_->writing};
    for (const auto& id : std::set<std::string>{ids.begin(), ids.end()}) {
      if (state_->draft->find(id)) changes.push_back({true, {{.id = id}}});
    }
  }
  if (removed != nullptr) *removed = changes.size();
  return write(std::move(changes));
}

void Collection::require_writable() const {
  require_catalog(state_->catalog, fault_);
  if (!state_->lock) throw Error{Errc::conflict, "this reference is open for reading only"};
}

Written Collection::write(std::vector<Change> changes) {
  auto& state = *state_;
  const std::lock_guard lock{state.writing};
  require_writable();
  scale(changes, state.draft->base()->metric());
  if (!changes.empty()) {
    if (state.draft->revision() + changes.size() > options_.max_changes) {
      throw Error{Errc::overloaded, "version " + std::to_string(state.version.version) + " has " +
                                        std::to_string(state.draft->revision()) + " changes, of " +
                                        std::to_string(options_.max_changes) + " allowed; it must be compacted first"};
    }
    if (state.version.snapshot) {
      VersionRecord next{.version = state.catalog->reserve_number(),
                         .segment = state.version.segment,
                         .created = options_.now ? options_.now() : "",
                         .origin = "written to after snapshot " + std::to_string(state.version.version)};
      state.catalog->add(next, state.version.version, 0, changes, true);
      state.version = std::move(next);
    } else {
      state.catalog->append(state.version.version, changes);
    }
    for (auto& change : changes) state.draft->apply(std::move(change));
    state.publish();
  }
  return {state.version.version, state.draft->revision()};
}

// --- Versions ---

std::shared_ptr<const Snapshot> Collection::load(std::int64_t version) const {
  std::unique_lock lock{state_->writing};
  if (version == state_->version.version) return snapshot();
  require_catalog(state_->catalog, fault_);
  const auto record = state_->catalog->version(version);
  auto base = record.segment == state_->version.segment ? state_->draft->base() : nullptr;
  lock.unlock();
  if (!base) base = open_segment(segment_of(directory_, record.segment), options_);
  lock.lock();
  return draft_of(directory_, record, *state_->catalog, std::move(base))->snapshot(version);
}

std::shared_ptr<const Snapshot> Collection::activate(std::int64_t version) {
  auto& state = *state_;
  const std::lock_guard alone{state.switching};
  std::unique_lock lock{state.writing};
  require_writable();
  if (version == state.version.version) return snapshot();
  const auto record = state.catalog->version(version);
  auto base = record.segment == state.version.segment ? state.draft->base() : nullptr;
  lock.unlock();  // reading the segment may take seconds
  if (!base) base = open_segment(segment_of(directory_, record.segment), options_);
  lock.lock();
  auto draft = draft_of(directory_, record, *state.catalog, std::move(base));
  state.catalog->set_live(version);
  state.switch_to(std::move(draft), record);
  return snapshot();
}

std::int64_t Collection::take_snapshot(const std::string& note) {
  const std::lock_guard lock{state_->writing};
  require_writable();
  state_->catalog->mark_snapshot(state_->version.version, true, note);
  state_->version.snapshot = true;
  return state_->version.version;
}

void Collection::drop_snapshot(std::int64_t version) {
  const std::lock_guard lock{state_->writing};
  require_writable();
  const auto record = state_->catalog->version(version);
  if (!record.snapshot) throw Error{Errc::not_found, "version " + std::to_string(version) + " is no snapshot"};
  state_->catalog->mark_snapshot(version, false, record.note);
  if (state_->version.version == version) state_->version.snapshot = false;
}

std::int64_t Collection::compact(const Finish& finish) {
  auto& state = *state_;
  const std::unique_lock alone{state.compacting, std::try_to_lock};
  if (!alone) throw Error{Errc::conflict, "another compaction is under way; try again when it is done"};
  std::unique_lock lock{state.writing};
  require_writable();
  const auto from = snapshot();
  const auto number = state.catalog->reserve_number();
  lock.unlock();

  auto manifest = from->manifest();
  manifest.version = number;
  manifest.created = options_.now ? options_.now() : "";
  Unfinished segment{segment_of(directory_, number)};
  {
    auto items = living_items(*from);
    const auto attachments = finish(items, manifest);
    items.write(segment.directory(), manifest, attachments);
  }
  auto draft = std::make_unique<Draft>(open_segment(segment.directory(), options_));

  lock.lock();
  const auto versions = state.catalog->versions();
  const auto base = std::ranges::find(versions, from->version(), &VersionRecord::version);
  if (base == versions.end())
    throw Error{Errc::conflict, std::string{"version "} + std::to_string(from->version()) +
                                    " was removed while it was compacted; the live version is another one"};
  // Changes made meanwhile go on top.
  state.catalog->for_each_change(*base, static_cast<std::int64_t>(from->revision()),
                                 [&](Change&& change) { draft->apply(std::move(change)); });
  const bool still_live = state.version.version == from->version();
  state.catalog->add({.version = number,
                      .segment = number,
                      .created = manifest.created,
                      .origin = "compaction of version " + std::to_string(from->version())},
                     from->version(), static_cast<std::int64_t>(from->revision()), {}, still_live);
  segment.keep();
  if (still_live) state.switch_to(std::move(draft), state.catalog->version(number));
  return number;
}

std::vector<std::int64_t> Collection::prune(std::size_t keep) {
  auto& state = *state_;
  const std::lock_guard alone{state.switching};
  const std::lock_guard lock{state.writing};
  require_writable();
  const auto all = state.catalog->versions();
  std::set<std::int64_t> segments;
  std::vector<std::int64_t> gone;
  for (auto version = all.rbegin(); version != all.rend(); ++version) {
    const bool live = version->version == state.version.version;
    if (live || version->snapshot || keep > 0) {
      if (!live && !version->snapshot) --keep;
      segments.insert(version->segment);
    } else {
      gone.push_back(version->version);
    }
  }
  state.catalog->remove(gone);
  for (const auto& version : all) {
    if (!segments.contains(version.segment)) fs::remove_all(segment_of(directory_, version.segment));
  }
  return gone;
}

}  // namespace driftd::index
