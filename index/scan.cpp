#include "index/scan.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/crew.hpp"
#include "index/scan_kernel.hpp"

namespace driftd::index {
namespace {

constexpr std::size_t kGroup = 8;  // queries that one kernel call answers
constexpr std::size_t kPass = 64;  // queries that share one pass over the rows
constexpr std::size_t kDecodeOnce = 4;  // queries from which on decoding a tile once beats decoding it for each
constexpr std::size_t kTileBytes =
    256 << 10;  // of rows: a share of the second-level cache, read by every group of a pass
constexpr std::size_t kTileRows = 256;
constexpr std::size_t kHeaps = 1 << 20;  // candidates that a thread may keep in a pass: 16 MiB, or one query's k
constexpr std::size_t kAlone =
    1 << 20;  // values times queries below which waking another thread takes longer than it saves

using Candidate = std::pair<float, std::int64_t>;  // squared distance and row: pairs compare as the answer is ordered

// The k nearest of the rows offered so far: a heap with the farthest on top, in memory that the caller provides.
class Nearest {
 public:
  explicit Nearest(std::span<Candidate> space) : space_{space} {}

  // A distance above it cannot be among the k nearest.
  [[nodiscard]] float limit() const {
    return size_ < space_.size() ? std::numeric_limits<float>::infinity() : space_[0].first;
  }
  void offer(Candidate candidate) {
    if (size_ < space_.size()) {
      space_[size_++] = candidate;
      std::push_heap(space_.begin(), space_.begin() + size_);
    } else if (candidate < space_[0]) {
      std::pop_heap(space_.begin(), space_.end());
      space_.back() = candidate;
      std::push_heap(space_.begin(), space_.end());
    }
  }
  [[nodiscard]] std::span<const Candidate> found() const { return space_.first(size_); }

 private:
  std::span<Candidate> space_;
  std::size_t size_ = 0;
};

// One more than needed, so that the queries of a group do not share their places in the first-level cache.
std::size_t padded(std::size_t dimension) {
  return (dimension + kPadding - 1) / kPadding * kPadding + kPadding;
}

// Queries as the kernels want them: each padded with zeros.
std::vector<float> pad(MatrixView queries) {
  const auto stride = padded(queries.cols);
  std::vector<float> values(queries.rows * stride);
  for (std::size_t q = 0; q < queries.rows; ++q) std::ranges::copy(queries.row(q), values.begin() + q * stride);
  return values;
}

// Where the rows are, or how they come to be: pointers to some rows that are valid until the next call. Or, for a few
// queries, the distances of one at once.
class PlainRows {
 public:
  explicit PlainRows(MatrixView rows) : rows_{rows} {}
  static constexpr bool kAtOnce = false;
  [[nodiscard]] std::size_t buffer_size(std::size_t) const { return 0; }
  void get(std::span<const std::int64_t> rows, float*, const float** out) const {
    for (const auto row : rows) *out++ = rows_.data + static_cast<std::size_t>(row) * rows_.cols;
  }

 private:
  MatrixView rows_;
};

class ReadRows {
 public:
  ReadRows(const RowReader& read, std::size_t dimension) : read_{read}, dimension_{dimension} {}
  static constexpr bool kAtOnce = false;
  [[nodiscard]] std::size_t buffer_size(std::size_t tile_rows) const { return tile_rows * dimension_; }
  void get(std::span<const std::int64_t> rows, float* buffer, const float** out) const {
    read_(rows, buffer);
    for (std::size_t r = 0; r < rows.size(); ++r) *out++ = buffer + r * dimension_;
  }

 private:
  const RowReader& read_;
  std::size_t dimension_;
};

class DecodedRows {
 public:
  DecodedRows(const CodedRows& rows, std::size_t dimension)
      : rows_{rows}, dimension_{dimension}, offset_(padded(dimension)), step_(padded(dimension)) {
    std::ranges::copy(rows.offset, offset_.begin());
    std::ranges::copy(rows.step, step_.begin());
  }
  static constexpr bool kAtOnce = true;
  [[nodiscard]] std::size_t buffer_size(std::size_t tile_rows) const { return tile_rows * dimension_; }

  void get(std::span<const std::int64_t> rows, float* buffer, const float** out) const {
    const auto& kernel = scan_kernels().front();
    for (const auto row : rows) {
      const auto at = static_cast<std::size_t>(row) * dimension_;
      if (rows_.halves != nullptr) {
        kernel.decode_halves(rows_.halves + at, dimension_, buffer);
      } else {
        kernel.decode_bytes(rows_.bytes + at, scale(), dimension_, buffer);
      }
      *out++ = buffer;
      buffer += dimension_;
    }
  }
  void distances(std::span<const std::int64_t> rows, const float* query, float* out) const {
    const auto& kernel = scan_kernels().front();
    if (rows_.halves != nullptr) {
      kernel.to_halves(pointers(rows, rows_.halves), query, dimension_, out);
    } else {
      kernel.to_bytes(pointers(rows, rows_.bytes), scale(), query, dimension_, out);
    }
  }

 private:
  [[nodiscard]] Scale scale() const { return {offset_.data(), step_.data()}; }
  template <class Value>
  std::span<const Value* const> pointers(std::span<const std::int64_t> rows, const Value* first) const {
    thread_local std::array<const Value*, kTileRows> space;
    for (std::size_t r = 0; r < rows.size(); ++r) space[r] = first + static_cast<std::size_t>(rows[r]) * dimension_;
    return std::span{space}.first(rows.size());
  }

  const CodedRows& rows_;
  const std::size_t dimension_;
  std::vector<float> offset_;
  std::vector<float> step_;
};

// What one thread works with. All of it is allocated before the threads start.
struct Scratch {
  Scratch(std::size_t tile_rows, std::size_t buffer_size, std::size_t queries, std::size_t k)
      : rows(tile_rows), pointers(tile_rows), distances(tile_rows * kGroup), buffer(buffer_size), heaps(queries * k) {
    for (std::size_t q = 0; q < queries; ++q) nearest.emplace_back(std::span{heaps}.subspan(q * k, k));
  }

  std::vector<std::int64_t> rows;  // of the tile, the allowed ones
  std::vector<const float*> pointers;
  std::vector<float> distances;
  std::vector<float> buffer;
  std::vector<Candidate> heaps;
  std::vector<Nearest> nearest;  // one for each query, in heaps
};

// Rows first .. last - 1 that are allowed.
std::span<const std::int64_t> rows_between(std::size_t first, std::size_t last, const RowMask* allowed,
                                           std::span<std::int64_t> out) {
  std::size_t count = 0;
  for (auto row = first; row < last; ++row) {
    if (allowed == nullptr || allowed->test(row)) out[count++] = static_cast<std::int64_t>(row);
  }
  return out.first(count);
}

// Offers rows at these distances to a query.
void offer(std::span<const std::int64_t> rows, const float* distances, Nearest& nearest) {
  auto limit = nearest.limit();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (!(distances[r] <= limit)) continue;
    nearest.offer({distances[r], rows[r]});
    limit = nearest.limit();
  }
}

// Offers one tile's rows to each of the queries, padded and `stride` apart.
void scan_tile(std::span<const std::int64_t> rows, std::span<const float> queries, std::size_t stride,
               std::size_t dimension, Scratch& scratch) {
  const auto& kernel = scan_kernels().front();
  const std::span pointers{scratch.pointers.data(), rows.size()};
  const auto count = queries.size() / stride;
  for (std::size_t first = 0; first < count;) {
    const auto together = std::bit_floor(std::min(kGroup, count - first));
    kernel.distances[static_cast<std::size_t>(std::countr_zero(together))](pointers, queries.data() + first * stride,
                                                                           stride, dimension, scratch.distances.data());
    for (std::size_t q = 0; q < together; ++q)
      offer(rows, scratch.distances.data() + q * rows.size(), scratch.nearest[first + q]);
    first += together;
  }
}

// Puts what the threads found for query q together.
void merge(std::span<const Scratch> parts, std::size_t q, std::span<Candidate> space, std::size_t k, float* distances,
           std::int64_t* rows) {
  std::size_t count = 0;
  for (const auto& part : parts) {
    const auto found = part.nearest[q].found();
    std::ranges::copy(found, space.begin() + count);
    count += found.size();
  }
  const auto all = space.first(count);
  std::ranges::sort(all);
  for (std::size_t j = 0; j < std::min(k, count); ++j) {
    distances[j] = std::sqrt(all[j].first);
    rows[j] = all[j].second;
  }
}

std::size_t team_size(int threads, std::size_t work) {
  if (threads > 0) return std::min(static_cast<std::size_t>(threads), cores().helpers() + 1);
  return work < kAlone ? 1 : cores().helpers() + 1;
}

template <class Rows>
Neighbours scan_rows(MatrixView queries, const Rows& source, std::size_t count, std::size_t k, const RowMask* allowed,
                     int threads) {
  Neighbours found{k, std::vector<float>(queries.rows * k, std::numeric_limits<float>::infinity()),
                   std::vector<std::int64_t>(queries.rows * k, -1)};
  const auto kept = std::min(k, allowed == nullptr ? count : allowed->count());
  if (kept == 0 || queries.rows == 0) return found;
  const auto dimension = queries.cols;
  const auto stride = padded(dimension);
  const auto tile_rows = std::clamp<std::size_t>(kTileBytes / (dimension * sizeof(float)), 8, kTileRows);
  const auto tiles = (count + tile_rows - 1) / tile_rows;
  const auto team = std::min(team_size(threads, queries.rows * count * dimension), tiles);
  const auto padded_queries = pad(queries);
  std::vector<Candidate> space(kept * team);
  const auto pass = std::clamp<std::size_t>(kHeaps / kept, 1, kPass);
  for (std::size_t first = 0; first < queries.rows; first += pass) {
    const auto now = std::min(pass, queries.rows - first);
    const std::span values{padded_queries.data() + first * stride, now * stride};
    std::vector<Scratch> parts;
    for (std::size_t t = 0; t < team; ++t) parts.emplace_back(tile_rows, source.buffer_size(tile_rows), now, kept);
    std::atomic<std::size_t> next{0};
    cores().run(team - 1, [&](std::size_t member) {
      auto& scratch = parts[member];
      for (auto tile = next++; tile < tiles; tile = next++) {
        const auto begin = tile * tile_rows;
        const auto rows = rows_between(begin, std::min(count, begin + tile_rows), allowed, scratch.rows);
        if constexpr (Rows::kAtOnce) {
          if (now < kDecodeOnce) {
            for (std::size_t q = 0; q < now; ++q) {
              source.distances(rows, values.data() + q * stride, scratch.distances.data());
              offer(rows, scratch.distances.data(), scratch.nearest[q]);
            }
            continue;
          }
        }
        source.get(rows, scratch.buffer.data(), scratch.pointers.data());
        scan_tile(rows, values, stride, dimension, scratch);
      }
    });
    for (std::size_t q = 0; q < now; ++q)
      merge(parts, q, space, kept, found.distances.data() + (first + q) * k, found.rows.data() + (first + q) * k);
  }
  return found;
}

}  // namespace

Neighbours scan(MatrixView queries, MatrixView rows, std::size_t k, const RowMask* allowed, int threads) {
  assert(k > 0 && (queries.cols == rows.cols || rows.rows == 0));
  assert(allowed == nullptr || allowed->size() == rows.rows);
  return scan_rows(queries, PlainRows{rows}, rows.rows, k, allowed, threads);
}

Neighbours scan(MatrixView queries, const CodedRows& rows, std::size_t k, const RowMask* allowed, int threads) {
  assert(k > 0 && (rows.halves == nullptr) != (rows.bytes == nullptr));
  assert(allowed == nullptr || allowed->size() == rows.count);
  return scan_rows(queries, DecodedRows{rows, queries.cols}, rows.count, k, allowed, threads);
}

Neighbours scan(MatrixView queries, std::size_t count, const RowReader& read, std::size_t k, const RowMask* allowed,
                int threads) {
  assert(k > 0 && (allowed == nullptr || allowed->size() == count));
  return scan_rows(queries, ReadRows{read, queries.cols}, count, k, allowed, threads);
}

}  // namespace driftd::index
