#include "api/live_reference.hpp"

#include <algorithm>
#include <utility>

#include "api/index_tuning.hpp"
#include "api/log.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

namespace driftd::api {

LiveReference::LiveReference(const std::filesystem::path& directory, const embed::Bundle& bundle, Options options,
                             std::function<void()> changed)
    : bundle_{bundle}, options_{options}, changed_{std::move(changed)} {
  try {
    collection_ = open_reference(directory, bundle, true, options.device, options.opening);
    collection_->require_writable();
  } catch (const Error& error) {
    if (error.code() != Errc::conflict) throw;
    if (!collection_)
      collection_ = open_reference(directory, bundle, false, options.device,
                                   options.opening);  // another model's reference throws again
    read_only_ = error.what();
  }
}

LiveReference::~LiveReference() = default;

index::Written LiveReference::upsert(std::vector<index::NewItem> items) {
  const auto reference = current();
  for (auto& item : items) {
    if (item.vector.size() == reference.items->dimension()) item.attached = own_distances(reference, item);
  }
  const auto written = collection_->upsert(std::move(items));
  compact_when_due();
  changed_();
  return written;
}

index::Written LiveReference::remove(const std::vector<std::string>& ids, std::size_t* removed) {
  const auto written = collection_->remove(ids, removed);
  compact_when_due();
  changed_();
  return written;
}

void LiveReference::activate(std::int64_t version) {
  collection_->activate(version);
  changed_();
}

std::int64_t LiveReference::take_snapshot(const std::string& note) {
  return collection_->take_snapshot(note);
}
void LiveReference::drop_snapshot(std::int64_t version) {
  collection_->drop_snapshot(version);
}
std::vector<std::int64_t> LiveReference::prune(std::size_t keep) {
  return collection_->prune(keep);
}

void LiveReference::compact_when_due() {
  if (options_.compact_share <= 0) return;
  const auto reference = current();
  const auto share = options_.compact_share * static_cast<double>(reference.items->base().size());
  const auto due = std::max(options_.compact_min, static_cast<std::size_t>(share)) + not_before_;
  if (collection_->changes() >= due) (void)start_compaction();
}

void LiveReference::compact() {
  if (!read_only_.empty()) throw Error{Errc::conflict, "this reference is served for reading only: " + read_only_};
  if (!start_compaction())
    throw Error{Errc::conflict, "a compaction is under way; GET the reference to see when it is done"};
}

bool LiveReference::start_compaction() {
  if (compaction_.with([](auto& c) { return std::exchange(c.running, true); })) return false;
  compactor_.with(
      [this](auto& thread) { thread = std::jthread{[this](const std::stop_token& stop) { run_compaction(stop); }}; });
  return true;
}

void LiveReference::run_compaction(const std::stop_token& stop) {
  const auto go_on = [&stop](std::size_t) {
    if (stop.stop_requested())
      throw Error{Errc::deadline, "the service stops; what was changed is kept, and compacted later"};
  };
  name_thread("compaction");
  lower_thread_priority();  // scoring comes first
  Compaction result;
  try {
    result.version = collection_->compact(finish_like(current(), bundle_.pools.size(), go_on));
    not_before_ = 0;
    (void)collection_->prune(options_.keep_versions);
    log(LogLevel::info, "compacted",
        {{"reference", current().id()}, {"items", static_cast<std::int64_t>(current().items->size())}});
  } catch (const std::exception& error) {
    result.error = error.what();
    not_before_ = collection_->changes();  // not again with the very next change
    log(LogLevel::error, "the compaction failed; the reference stays as it was",
        {{"reference", current().id()}, {"reason", error.what()}});
  }
  compaction_.with([&](auto& c) {
    if (result.version == 0) result.version = c.version;
    c = result;
  });
  changed_();
}

}  // namespace driftd::api
