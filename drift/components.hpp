// The directions in which a reference's embeddings vary most (principal components), and how its own images lie along
// them: a weak shift of every image moves an embedding's place along them long before it is far from the reference.
//
// The directions are fitted to one random half of the reference and the other half is ranked along them, so that the
// values of a fresh image are exchangeable with those ranked: a direction that is fitted to the images it ranks would
// find them wider spread than any others.
//
// Thread rule: a plain value, immutable once made; the functions are pure.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "drift/e_detector.hpp"

namespace driftd::drift {

struct Components {
  static constexpr std::size_t kMost = 24;
  using Row = std::array<float, kMost>;

  std::size_t count = 0;    // of components, at most kMost; columns from there on are 0
  std::vector<Row> basis;   // a row for each value of an embedding, a column for each component, orthonormal
  Row offset{};             // of the fitted images' mean
  std::vector<Row> ranked;  // of the images that the directions were not fitted to: where they lie
  std::size_t fitted = 0;   // images that the directions were fitted to

  [[nodiscard]] bool empty() const { return count == 0; }
  [[nodiscard]] std::size_t dimension() const { return basis.size(); }
};

// Of `rows` embeddings: row(i) gives one, valid until the next call. Reads at most 2,048 of them for the directions and
// 4,096 others to rank, at random by `seed`. None for fewer than kFewestForComponents. About 1 s for 1,752 values.
inline constexpr std::size_t kFewestForComponents = 100;
[[nodiscard]] Components fit_components(std::size_t rows, const std::function<std::span<const float>(std::size_t)>& row,
                                        unsigned seed = 1);

// Where an embedding lies, a value for each component. Throws Error invalid_argument for another dimension. Some
// microseconds.
[[nodiscard]] std::vector<float> project(const Components& components, std::span<const float> embedding);

// A group "components" with a channel for each, both ends watched.
[[nodiscard]] std::vector<EDetector::Channel> channels_of(const Components& components);

// Little-endian bytes, versioned, closed by a SHA-256: 4 bytes for each number, at most 600 KB. decode_components()
// throws Error corrupt for anything that encode() cannot have written, and conflict for a version newer than this
// program.
[[nodiscard]] std::vector<std::byte> encode(const Components& components);
[[nodiscard]] Components decode_components(std::span<const std::byte> bytes);

}  // namespace driftd::drift
