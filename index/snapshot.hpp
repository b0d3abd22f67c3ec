// One state of a collection, for searching: a segment, the tail of items added since, and which rows are dead.
//
// Immutable: any number of threads search a snapshot without locks, while the collection goes on to other snapshots.
// Rows 0 to base().size() - 1 are the segment's, the following ones the tail's; a row means the same item in every
// snapshot of a version. Cost of a search: the segment's, and an exact scan of the tail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/row_mask.hpp"
#include "index/segment.hpp"
#include "index/tail.hpp"

namespace driftd::index {

struct Filter {
  std::optional<std::string> label;  // only items of exactly this label
  bool all_cells = false;            // read every cell: exact over what is stored
};

class Snapshot {
 public:
  // alive: of the segment's rows and then of the tail's, or null where all are.
  Snapshot(std::int64_t version, std::uint64_t revision, std::shared_ptr<const Segment> base, Tail::View tail,
           std::shared_ptr<const RowMask> base_alive, std::shared_ptr<const RowMask> tail_alive);

  [[nodiscard]] std::int64_t version() const { return version_; }
  // Changes made to the version so far.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }
  // "default@4"
  [[nodiscard]] std::string id() const { return manifest().name + "@" + std::to_string(version_); }

  // k nearest items per query, ties by row; where fewer are found, row -1 at infinite distance. Under cosine, queries
  // may have any length but 0. Throws Error{invalid_argument} on a wrong dimension, a value that is not finite, a query
  // of zeros under cosine, or k = 0.
  [[nodiscard]] Neighbours search(MatrixView queries, std::size_t k, const Filter& filter = {}) const;

  [[nodiscard]] std::size_t size() const { return size_; }                         // items
  [[nodiscard]] std::size_t rows() const { return base_->size() + tail_.size(); }  // with the dead ones
  [[nodiscard]] std::size_t dimension() const { return base_->dimension(); }
  [[nodiscard]] bool alive(std::size_t row) const;
  [[nodiscard]] ItemView item(std::int64_t row) const;
  // The vector as stored.
  [[nodiscard]] std::vector<float> vector(std::size_t row) const;
  // What came with a row of the tail; empty for the segment's.
  [[nodiscard]] std::span<const float> attached(std::size_t row) const;

  [[nodiscard]] const Segment& base() const { return *base_; }
  [[nodiscard]] const Manifest& manifest() const { return base_->manifest(); }

 private:
  [[nodiscard]] Neighbours search_scaled(MatrixView queries, std::size_t k, const Filter& filter) const;
  [[nodiscard]] Neighbours search_base(MatrixView queries, std::size_t k, const Filter& filter) const;
  [[nodiscard]] Neighbours search_tail(MatrixView queries, std::size_t k, const Filter& filter) const;

  std::int64_t version_;
  std::uint64_t revision_;
  std::shared_ptr<const Segment> base_;
  Tail::View tail_;
  std::shared_ptr<const RowMask> base_alive_;  // null: all
  std::shared_ptr<const RowMask> tail_alive_;  // null: all
  std::size_t size_;
};

// The living items, the segment's first, as an exact segment that is not written yet. Throws Error{invalid_argument}
// where there is none.
[[nodiscard]] Segment living_items(const Snapshot& snapshot);

}  // namespace driftd::index
