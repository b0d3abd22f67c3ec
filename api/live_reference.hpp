// A reference as the service holds it: searched, changed, compacted in the background, switched between versions.
//
// Thread-safe. Where another process may write to the directory, or nobody can, it is served for reading only, and
// read_only() says why.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "api/reference.hpp"
#include "core/guarded.hpp"
#include "embed/bundle.hpp"
#include "index/collection.hpp"

namespace driftd::api {

class LiveReference {
 public:
  struct Options {
    // Compaction starts by itself once a version has so many changes: a share of its items, but at least compact_min.
    // 0: never.
    double compact_share = 0.1;
    std::size_t compact_min = 50;
    index::Device device = {};              // where searches run
    index::Segment::Progress opening = {};  // while the constructor loads
    bool pictures = true;                   // whether its training images may be shown
    std::size_t keep_versions = 2;          // besides the live one and snapshots; compaction removes older ones
  };
  struct Compaction {
    bool running = false;
    std::int64_t version = 0;  // that the last one made; 0: none yet
    std::string error;         // of the last one
  };

  // Keeps a reference to the bundle, which must outlive it. changed() is called after every change, on any thread.
  // Throws what open_reference() throws.
  LiveReference(const std::filesystem::path& directory, const embed::Bundle& bundle, Options options,
                std::function<void()> changed);
  ~LiveReference();

  [[nodiscard]] Reference current() const { return {collection_->snapshot()}; }
  [[nodiscard]] const index::Collection& collection() const { return *collection_; }
  [[nodiscard]] const std::string& read_only() const { return read_only_; }  // why; empty: writable
  [[nodiscard]] bool shows_pictures() const { return options_.pictures; }
  [[nodiscard]] Compaction compaction() const {
    return compaction_.with([](const auto& c) { return c; });
  }

  // As index::Collection's, each durable on return.
  index::Written upsert(std::vector<index::NewItem> items);
  index::Written remove(const std::vector<std::string>& ids, std::size_t* removed);
  void activate(std::int64_t version);
  std::int64_t take_snapshot(const std::string& note);
  void drop_snapshot(std::int64_t version);
  std::vector<std::int64_t> prune(std::size_t keep);

  // Starts a compaction in the background. Throws Error{conflict} while one runs.
  void compact();

 private:
  bool start_compaction();  // false where one runs
  void run_compaction(const std::stop_token& stop);
  void compact_when_due();

  // Constant after construction
  const embed::Bundle& bundle_;
  const Options options_;
  const std::function<void()> changed_;
  std::string read_only_;
  std::unique_ptr<index::Collection> collection_;  // thread-safe by itself

  std::atomic<std::size_t> not_before_{0};  // changes that a failed compaction had met
  Guarded<Compaction> compaction_;
  Guarded<std::jthread> compactor_;  // last: joined before the rest goes
};

}  // namespace driftd::api
