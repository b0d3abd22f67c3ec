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

const ScanKernel& kernel() {
  return scan_kernels().front();
}

// One more than needed, so that the queries of a group do not share their places in the first-level cache.
std::size_t padded(std::size_t dimension) {
  return (dimension + kPadding - 1) / kPadding * kPadding + kPadding;
}

// As much as the widest register holds, where a cache line begins: a load across two lines takes two loads' time.
struct alignas(kPadding * sizeof(float)) Line {
  std::array<float, kPadding> values;
};

// `rows` times `stride` floats, a multiple of a line's.
std::vector<Line> lines(std::size_t rows, std::size_t stride) {
  return std::vector<Line>(rows * stride / kPadding);
}
float* floats_of(std::vector<Line>& some) {
  return some.data()->values.data();
}

// Queries as the kernels want them: each padded with zeros.
std::vector<Line> pad(MatrixView queries) {
  const auto stride = padded(queries.cols);
  auto space = lines(queries.rows, stride);
  for (std::size_t q = 0; q < queries.rows; ++q) std::ranges::copy(queries.row(q), floats_of(space) + q * stride);
  return space;
}

// Some queries, padded and `stride` floats apart.
struct Queries {
  const float* values;
  std::size_t stride;
  std::size_t dimension;
  std::size_t count;

  // Those that one kernel call answers from `first` on.
  [[nodiscard]] Queries group(std::size_t first) const {
    return {values + first * stride, stride, dimension, std::bit_floor(std::min(kGroup, count - first))};
  }
  // Of a group: its entry in a kernel's tables.
  [[nodiscard]] std::size_t entry() const { return static_cast<std::size_t>(std::countr_zero(count)); }
};

// The rows of one tile after another, of one thread. find() names them; then the groups of queries get their distances,
// the first group first. All memory is allocated before the threads start.
class PlainTile {
 public:
  PlainTile(MatrixView rows, std::size_t tile_rows) : rows_{rows}, found_(tile_rows) {}

  void find(std::span<const std::int64_t> rows) {
    count_ = rows.size();
    for (std::size_t r = 0; r < count_; ++r) found_[r] = rows_.data + static_cast<std::size_t>(rows[r]) * rows_.cols;
  }
  void distances(const Queries& group, float* out) {
    kernel().distances[group.entry()](std::span{found_}.first(count_), group.values, group.stride, group.dimension,
                                      out);
  }

 private:
  MatrixView rows_;
  std::vector<const float*> found_;
  std::size_t count_ = 0;
};

class ReadTile {
 public:
  ReadTile(const RowReader& read, std::size_t dimension, std::size_t tile_rows)
      : read_{read}, buffer_(tile_rows * dimension) {
    for (std::size_t r = 0; r < tile_rows; ++r) found_.push_back(buffer_.data() + r * dimension);
  }

  void find(std::span<const std::int64_t> rows) {
    count_ = rows.size();
    read_(rows, buffer_.data());
  }
  void distances(const Queries& group, float* out) {
    kernel().distances[group.entry()](std::span{found_}.first(count_), group.values, group.stride, group.dimension,
                                      out);
  }

 private:
  const RowReader& read_;
  std::vector<float> buffer_;
  std::vector<const float*> found_;
  std::size_t count_ = 0;
};

// Each group decodes the rows in registers, and only waits for the memory while it computes; where there are several
// groups, the first also writes the rows for the others.
template <class Value>
class CodedTile {
 public:
  CodedTile(const Value* rows, std::span<const float> offset, std::span<const float> step, std::size_t dimension,
            std::size_t tile_rows, bool several)
      : rows_{rows},
        dimension_{dimension},
        offset_(padded(dimension)),
        step_(padded(dimension)),
        codes_(tile_rows),
        several_{several},
        buffer_(lines(several ? tile_rows : 0, padded(dimension))) {
    std::ranges::copy(offset, offset_.begin());
    std::ranges::copy(step, step_.begin());
    for (std::size_t r = 0; several && r < tile_rows; ++r)
      decoded_.push_back(floats_of(buffer_) + r * padded(dimension));
  }

  void find(std::span<const std::int64_t> rows) {
    count_ = rows.size();
    is_decoded_ = false;
    for (std::size_t r = 0; r < count_; ++r) codes_[r] = rows_ + static_cast<std::size_t>(rows[r]) * dimension_;
  }
  void distances(const Queries& group, float* out) {
    const auto& [values, stride, dimension, queries] = group;
    const auto codes = std::span{codes_}.first(count_);
    const Scale scale{offset_.data(), step_.data()};
    const bool decode = several_ && queries == kGroup && !is_decoded_;
    if (is_decoded_) {
      kernel().distances[group.entry()](std::span{decoded_}.first(count_), values, stride, dimension, out);
    } else if constexpr (sizeof(Value) == 2) {
      if (decode)
        kernel().decode_halves(codes, values, stride, dimension, out, floats_of(buffer_));
      else
        kernel().to_halves[group.entry()](codes, values, stride, dimension, out);
    } else {
      if (decode)
        kernel().decode_bytes(codes, scale, values, stride, dimension, out, floats_of(buffer_));
      else
        kernel().to_bytes[group.entry()](codes, scale, values, stride, dimension, out);
    }
    is_decoded_ = is_decoded_ || decode;
  }

 private:
  const Value* rows_;
  const std::size_t dimension_;
  std::vector<float> offset_;
  std::vector<float> step_;
  std::vector<const Value*> codes_;
  const bool several_;
  std::vector<Line> buffer_;
  std::vector<const float*> decoded_;
  std::size_t count_ = 0;
  bool is_decoded_ = false;
};

// What one thread works with.
template <class Tile>
struct Scratch {
  Scratch(Tile rows_of_a_tile, std::size_t tile_rows, std::size_t queries, std::size_t k)
      : tile{std::move(rows_of_a_tile)}, rows(tile_rows), distances(tile_rows * kGroup), heaps(queries * k) {
    for (std::size_t q = 0; q < queries; ++q) nearest.emplace_back(std::span{heaps}.subspan(q * k, k));
  }

  Tile tile;
  std::vector<std::int64_t> rows;  // of the tile, the allowed ones
  std::vector<float> distances;
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

// Offers one tile's rows to each of the queries.
template <class Tile>
void scan_tile(std::span<const std::int64_t> rows, const Queries& queries, Scratch<Tile>& scratch) {
  scratch.tile.find(rows);
  for (std::size_t first = 0; first < queries.count;) {
    const auto group = queries.group(first);
    scratch.tile.distances(group, scratch.distances.data());
    for (std::size_t q = 0; q < group.count; ++q)
      offer(rows, scratch.distances.data() + q * rows.size(), scratch.nearest[first + q]);
    first += group.count;
  }
}

// Puts what the threads found for query q together.
template <class Tile>
void merge(const std::vector<Scratch<Tile>>& parts, std::size_t q, std::span<Candidate> space, std::size_t k,
           float* distances, std::int64_t* rows) {
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

// make_tile(rows, several): a tile of up to so many rows, for several groups of queries or one.
template <class MakeTile>
Neighbours scan_rows(MatrixView queries, const MakeTile& make_tile, std::size_t count, std::size_t k,
                     const RowMask* allowed, int threads) {
  Neighbours found{k, std::vector<float>(queries.rows * k, std::numeric_limits<float>::infinity()),
                   std::vector<std::int64_t>(queries.rows * k, -1)};
  const auto kept = std::min(k, allowed == nullptr ? count : allowed->count());
  if (kept == 0 || queries.rows == 0) return found;
  const auto dimension = queries.cols;
  const auto tile_rows = std::clamp<std::size_t>(kTileBytes / (dimension * sizeof(float)), 8, kTileRows);
  const auto tiles = (count + tile_rows - 1) / tile_rows;
  const auto team = std::min(team_size(threads, queries.rows * count * dimension), tiles);
  auto padded_queries = pad(queries);
  const Queries all{floats_of(padded_queries), padded(dimension), dimension, queries.rows};
  std::vector<Candidate> space(kept * team);
  const auto pass = std::clamp<std::size_t>(kHeaps / kept, 1, kPass);
  for (std::size_t first = 0; first < queries.rows; first += pass) {
    const Queries now{all.values + first * all.stride, all.stride, dimension, std::min(pass, queries.rows - first)};
    std::vector<Scratch<decltype(make_tile(tile_rows, true))>> parts;
    for (std::size_t t = 0; t < team; ++t)
      parts.emplace_back(make_tile(tile_rows, now.count > kGroup), tile_rows, now.count, kept);
    std::atomic<std::size_t> next{0};
    cores().run(team - 1, [&](std::size_t member) {
      auto& scratch = parts[member];
      for (auto tile = next++; tile < tiles; tile = next++) {
        const auto begin = tile * tile_rows;
        scan_tile(rows_between(begin, std::min(count, begin + tile_rows), allowed, scratch.rows), now, scratch);
      }
    });
    for (std::size_t q = 0; q < now.count; ++q)
      merge(parts, q, space, kept, found.distances.data() + (first + q) * k, found.rows.data() + (first + q) * k);
  }
  return found;
}

}  // namespace

Neighbours scan(MatrixView queries, MatrixView rows, std::size_t k, const RowMask* allowed, int threads) {
  assert(k > 0 && (queries.cols == rows.cols || rows.rows == 0));
  assert(allowed == nullptr || allowed->size() == rows.rows);
  const auto make_tile = [&](std::size_t tile_rows, bool) { return PlainTile{rows, tile_rows}; };
  return scan_rows(queries, make_tile, rows.rows, k, allowed, threads);
}

Neighbours scan(MatrixView queries, const CodedRows& rows, std::size_t k, const RowMask* allowed, int threads) {
  assert(k > 0 && (rows.halves == nullptr) != (rows.bytes == nullptr));
  assert(allowed == nullptr || allowed->size() == rows.count);
  const auto scan_codes = [&](const auto* codes) {
    const auto make_tile = [&](std::size_t tile_rows, bool several) {
      return CodedTile{codes, rows.offset, rows.step, queries.cols, tile_rows, several};
    };
    return scan_rows(queries, make_tile, rows.count, k, allowed, threads);
  };
  return rows.halves != nullptr ? scan_codes(rows.halves) : scan_codes(rows.bytes);
}

Neighbours scan(MatrixView queries, std::size_t count, const RowReader& read, std::size_t k, const RowMask* allowed,
                int threads) {
  assert(k > 0 && (allowed == nullptr || allowed->size() == count));
  const auto make_tile = [&](std::size_t tile_rows, bool) { return ReadTile{read, queries.cols, tile_rows}; };
  return scan_rows(queries, make_tile, count, k, allowed, threads);
}

}  // namespace driftd::index
