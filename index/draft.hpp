// A version while changes are applied to it: what its next snapshot will show.
//
// Confined to the one writer. apply() costs O(dimension); snapshot() O(1), or a copy of the rows' bits where one died.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "index/catalog.hpp"
#include "index/snapshot.hpp"

namespace driftd::index {

class Draft {
 public:
  explicit Draft(std::shared_ptr<const Segment> base) : base_{std::move(base)}, tail_{base_->dimension()} {}

  void apply(Change change);
  // The row of an item that is alive.
  [[nodiscard]] std::optional<std::int64_t> find(const std::string& id) const;
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot(std::int64_t version);
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  [[nodiscard]] const std::shared_ptr<const Segment>& base() const { return base_; }

 private:
  void kill(std::int64_t row);
  [[nodiscard]] std::shared_ptr<const RowMask> tail_mask() const;

  std::shared_ptr<const Segment> base_;
  Tail tail_;
  std::shared_ptr<RowMask> base_alive_;  // null: all
  bool shared_ = false;                  // a snapshot has base_alive_: copy it before the next change
  std::vector<bool> tail_alive_;
  std::size_t dead_in_tail_ = 0;
  std::unordered_map<std::string, std::int64_t> changed_;  // of ids that were changed: the row, -1 when removed
  std::uint64_t revision_ = 0;
};

}  // namespace driftd::index
