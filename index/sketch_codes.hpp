// A vector in bytes (index/sketch.hpp): steps of its own, and how far they are from the vector.
//
// Thread-safe: a pure function, the same bits on every processor.
// Cost: two passes over the values, a cycle or so for each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace driftd::index {

constexpr int kSketchMiddle = 128;  // the code of zero

// How many values there are with the zeros that fill them up to what sketch_codes() takes.
[[nodiscard]] std::size_t sketch_width(std::size_t dimension);

// What the codes of a vector stand for: scale * (code - kSketchMiddle), of squared length norm, within error of the
// vector.
struct SketchCoded {
  float scale = 0;
  float norm = 0;
  float error = std::numeric_limits<float>::infinity();
};

// values: sketch_width() of them, as many codes. Where a float cannot say how far the codes are off, the error is
// infinite.
SketchCoded sketch_codes(std::span<const float> values, std::uint8_t* codes);

}  // namespace driftd::index
