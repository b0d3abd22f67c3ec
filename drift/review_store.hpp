// The review queue on disk: one SQLite file of its own, so that its images never keep an alert waiting.
//
// Thread-safe: one connection behind a lock. An answer is durable when update() returns (WAL, synchronous=FULL), with
// all that came before it. What is picked while images are scored does not wait for the disk (NORMAL): a process that
// dies leaves all of it, a machine that does leaves it up to some moment of the last seconds. Bounded: images take at
// most max_bytes, those of answered items make room first; answered items beyond max_answered go, the oldest first, but
// for members of a random sample. Throws Error: internal or no_space with SQLite's reason, corrupt when stored bytes
// cannot be read back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drift/review.hpp"

namespace driftd::drift {

struct ReviewStoreOptions {
  std::size_t max_bytes = 64 << 20;  // of images
  std::size_t max_answered = 5'000;  // rows
};

// A page, the newest first.
struct ReviewQuery {
  std::optional<ReviewState> state;
  std::optional<ReviewSource> source;
  std::string stream;               // empty: all
  std::int64_t before = INT64_MAX;  // ReviewItem::order
  std::size_t limit = 50;
};

// What is needed to choose which of a sample's items go.
struct ReviewMember {
  std::string id;
  ReviewState state;
  std::int64_t round;
};

struct ReviewCounts {
  std::size_t waiting = 0;
  std::size_t answered = 0;
  std::size_t image_bytes = 0;
};

class ReviewStore {
 public:
  // Opens or creates the file; reads all of it. Throws Error: conflict when a newer or another program wrote it or
  // another process holds it, corrupt when it is no database, or a damaged one.
  explicit ReviewStore(const std::filesystem::path& file, ReviewStoreOptions options = {});
  ~ReviewStore();

  // Removes `gone` and adds the item with its embedding and its JPEG (may be empty), and what its sample has counted,
  // all or nothing. An image that finds no room is left out. Returns the item as it is stored.
  ReviewItem add(ReviewItem item, std::span<const float> vector, std::span<const std::byte> jpeg,
                 std::span<const std::string> gone = {}, const std::optional<SampleState>& sample = std::nullopt);
  // Replaces what is known of an item. Throws Error not_found when it made room for another meanwhile.
  void update(const ReviewItem& item);
  void remove(std::span<const std::string> ids);

  [[nodiscard]] std::optional<ReviewItem> item(std::string_view id) const;
  [[nodiscard]] std::vector<ReviewItem> items(const ReviewQuery& query) const;
  // All random items of a stream, the newest first, also those that are in no sample any more.
  [[nodiscard]] std::vector<ReviewMember> members(std::string_view stream) const;
  [[nodiscard]] std::vector<float> vector(std::string_view id) const;     // throws Error not_found
  [[nodiscard]] std::vector<std::byte> image(std::string_view id) const;  // empty: none is kept
  [[nodiscard]] ReviewCounts counts() const;

  void save_samples(std::span<const SampleState> samples);
  [[nodiscard]] std::vector<SampleState> samples() const;

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace driftd::drift
