// How an index stores its vectors and searches them.
//
// - flat: every vector as it is, every vector read: exact. Where the processor is fast at it, a byte of each value
//   first, and most vectors not at all (index/sketch.hpp).
// - ivf: vectors as they are, in cells around k-means centroids; only the nprobe cells nearest to the query are read,
//   bytes first as in flat (inverted file: Sivic and Zisserman, "Video Google", ICCV 2003).
// - fp16: every vector read, each component stored as a half-precision float (IEEE 754 binary16): half the memory.
//   Components keep 11 bits; those over 65504 are refused.
// - sq8: every vector read, each component stored in 8 bits between the least and the largest value of its dimension: a
//   quarter of the memory. Distances are to the decoded vectors.
// - ivfsq8: cells as in ivf; in 8 bits is what a vector adds to its centroid, whose range is smaller.
//
// Thread-safe: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace driftd::index {

enum class Kind { flat, ivf, fp16, sq8, ivfsq8 };
inline constexpr std::array kKinds{Kind::flat, Kind::ivf, Kind::fp16, Kind::sq8, Kind::ivfsq8};

[[nodiscard]] constexpr bool has_cells(Kind kind) {
  return kind == Kind::ivf || kind == Kind::ivfsq8;
}
[[nodiscard]] std::string_view name_of(Kind kind);
// Throws Error{invalid_argument} that lists the names.
[[nodiscard]] Kind kind_of(std::string_view name);

// The kind that `auto` stands for: flat while a query takes no longer than an embedding, about 6 ms of two cores, ivf
// from there on. That is up to 51.2 million values (100,000 vectors of 512), and four times as many on a processor that
// reads bytes first (index/sketch.hpp): the machine that builds decides. Never a quantised kind: memory is the owner's
// choice.
[[nodiscard]] Kind automatic_kind(std::size_t count, std::size_t dimension);

// Cells for `count` vectors: 4 sqrt(count), so that choosing the cells and reading an eighth of them both stay small,
// but at least 39 vectors per cell, below which centroids are noise; at least 1.
[[nodiscard]] std::size_t cells_for(std::size_t count);

}  // namespace driftd::index
