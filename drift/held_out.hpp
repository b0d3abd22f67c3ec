// Images that calibrate a reference and are kept out of its index.
//
// They stay with the reference: when its items change, the next calibration ranks them again. Thread rule: a plain
// value, immutable once made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/matrix.hpp"

namespace driftd::drift {

struct HeldOut {
  Matrix vectors;                     // embeddings, a row for each image; none: the reference calibrates itself
  std::vector<std::uint32_t> groups;  // a number for each image, of what it belongs to; empty: to nothing

  [[nodiscard]] bool empty() const { return vectors.rows == 0; }
};

// Little-endian bytes, versioned, closed by a SHA-256: the vectors and 4 bytes an image. decode_held_out() throws Error
// corrupt for anything that encode() cannot have written, and conflict for a version newer than this program.
[[nodiscard]] std::vector<std::byte> encode(const HeldOut& images);
[[nodiscard]] HeldOut decode_held_out(std::span<const std::byte> bytes);

}  // namespace driftd::drift
