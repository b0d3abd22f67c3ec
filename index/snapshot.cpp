#include "index/snapshot.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "index/scan.hpp"

namespace driftd::index {
namespace {

// The k nearest of two answers to the same queries, rows of the second counted from `offset` on.
Neighbours merged(const Neighbours& base, const Neighbours& tail, std::int64_t offset) {
  Neighbours all{base.k, std::vector<float>(base.distances.size()), std::vector<std::int64_t>(base.rows.size())};
  for (std::size_t first = 0; first < all.rows.size(); first += all.k) {
    auto b = first;
    auto t = first;
    for (auto out = first; out < first + all.k; ++out) {
      // Equal distances: the segment's rows come first, as they have the smaller numbers. Infinity is the end of a
      // list.
      if (base.distances[b] <= tail.distances[t]) {
        all.distances[out] = base.distances[b];
        all.rows[out] = base.rows[b++];
      } else {
        all.distances[out] = tail.distances[t];
        all.rows[out] = tail.rows[t++] + offset;
      }
    }
  }
  return all;
}

}  // namespace

Snapshot::Snapshot(std::int64_t version, std::uint64_t revision, std::shared_ptr<const Segment> base, Tail::View tail,
                   std::shared_ptr<const RowMask> base_alive, std::shared_ptr<const RowMask> tail_alive)
    : version_{version},
      revision_{revision},
      base_{std::move(base)},
      tail_{std::move(tail)},
      base_alive_{std::move(base_alive)},
      tail_alive_{std::move(tail_alive)},
      size_{(base_alive_ ? base_alive_->count() : base_->size()) +
            (tail_alive_ ? tail_alive_->count() : tail_.size())} {}

Neighbours Snapshot::search(MatrixView queries, std::size_t k, const Filter& filter) const {
  if (base_->metric() == Metric::cosine) return search_scaled(scaled_to_unit(queries), k, filter);
  return search_scaled(queries, k, filter);
}

Neighbours Snapshot::search_scaled(MatrixView queries, std::size_t k, const Filter& filter) const {
  auto found = search_base(queries, k, filter);
  if (tail_.size() == 0) return found;
  return merged(found, search_tail(queries, k, filter), static_cast<std::int64_t>(base_->size()));
}

Neighbours Snapshot::search_base(MatrixView queries, std::size_t k, const Filter& filter) const {
  if (!filter.label)
    return base_->index().search(queries, k, {.allowed = base_alive_.get(), .all_cells = filter.all_cells});
  RowMask allowed{base_->size()};
  for (const auto row : base_->rows_of(*filter.label)) {
    if (!base_alive_ || base_alive_->test(row)) allowed.set(row);
  }
  return base_->index().search(queries, k, {.allowed = &allowed, .all_cells = filter.all_cells});
}

Neighbours Snapshot::search_tail(MatrixView queries, std::size_t k, const Filter& filter) const {
  if (!filter.label) return scan(queries, tail_.vectors(), k, tail_alive_.get());
  RowMask allowed{tail_.size()};
  for (std::size_t row = 0; row < tail_.size(); ++row) {
    if (tail_.item(row).label == *filter.label && (!tail_alive_ || tail_alive_->test(row))) allowed.set(row);
  }
  return scan(queries, tail_.vectors(), k, &allowed);
}

bool Snapshot::alive(std::size_t row) const {
  if (row < base_->size()) return !base_alive_ || base_alive_->test(row);
  return !tail_alive_ || tail_alive_->test(row - base_->size());
}

ItemView Snapshot::item(std::int64_t row) const {
  const auto at = static_cast<std::size_t>(row);
  return at < base_->size() ? base_->item(row) : view_of(tail_.item(at - base_->size()));
}

std::vector<float> Snapshot::vector(std::size_t row) const {
  if (row < base_->size()) return base_->index().vector(row);
  const auto values = tail_.vectors().row(row - base_->size());
  return {values.begin(), values.end()};
}

std::span<const float> Snapshot::attached(std::size_t row) const {
  if (row < base_->size()) return {};
  return tail_.attached(row - base_->size());
}

Segment living_items(const Snapshot& snapshot) {
  constexpr std::size_t kBlock = 4096;
  Segment items{snapshot.dimension(), snapshot.base().metric()};
  std::vector<Item> some;
  Matrix vectors{0, snapshot.dimension()};
  const auto flush = [&] {
    vectors.rows = some.size();
    items.add(some, vectors);
    some.clear();
    vectors.data.clear();
  };
  for (std::size_t row = 0; row < snapshot.rows(); ++row) {
    if (!snapshot.alive(row)) continue;
    const auto vector = snapshot.vector(row);
    vectors.data.insert(vectors.data.end(), vector.begin(), vector.end());
    some.push_back(copy_of(snapshot.item(static_cast<std::int64_t>(row))));
    if (some.size() == kBlock) flush();
  }
  if (!some.empty()) flush();
  if (items.size() == 0) throw Error{Errc::invalid_argument, "the reference has no item left; add some first"};
  return items;
}

}  // namespace driftd::index
