// The weights of a resize along one axis: which input positions an output position is made of, and how much of each.
//
// In fixed point: 8 bits of pixel, 22 of fraction, 2 for the overshoot of the bicubic filter fill an int32.
// Thread-safe: values and a pure function. Cost: O(output positions x filter support).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "embed/resize.hpp"

namespace driftd::embed {

constexpr int kFractionBits = 22;
constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);  // in a sum, rounds it

struct ResampleAxis {
  struct Taps {
    int first = 0;  // input position
    int count = 0;
    const std::int32_t* weights = nullptr;
  };
  std::size_t stride = 0;  // weights reserved for each output position
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> weights;

  [[nodiscard]] Taps at(int i) const { return {first[i], count[i], weights.data() + stride * i}; }
  [[nodiscard]] int size() const { return static_cast<int>(first.size()); }
  [[nodiscard]] int begin() const { return first.front(); }
  [[nodiscard]] int end() const { return first.back() + count.back(); }
};

// Output positions [begin, begin + length) of an axis that goes from in to out pixels.
[[nodiscard]] ResampleAxis resample_axis(int in, int out, Filter filter, int begin, int length);

}  // namespace driftd::embed
