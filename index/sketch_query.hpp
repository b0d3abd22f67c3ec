// A query as a sketch (index/sketch.hpp) compares it: in bytes, as rows are, and where those are further off than rows'
// usually are, with bytes of what they leave. An image unlike all others often has a few values far above the rest, so
// that steps of one size for all describe it badly; then nearly every row might be the nearest.
//
// Thread-safe: a pure function.
// Cost: a few passes over the values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

#include "index/sketch_kernel.hpp"

namespace driftd::index {

struct CodedQuery {
  SketchQuery coded;
  bool fine = false;  // has codes of a rest
  float error = std::numeric_limits<float>::infinity();
  float rounding = 0;  // of the scan that compares what is left

  // A row whose `least` is above it is certainly farther than one whose upper bound is `upper`.
  [[nodiscard]] float limit_of(float upper) const { return (upper + error) * (1 + rounding) + error; }
  // What a scan finds for such a row is not below it.
  [[nodiscard]] float no_nearer(float least) const { return std::max(0.F, least - error) * (1 - rounding); }
};

// Of a squared distance from two norms and a product, as a share of the norms.
constexpr float kSketchRounding = 1e-6F;

// usual_error: of rows. codes: two rows for kernels, a multiple of sketch_width(); the second is written where the
// query is fine. Where a float cannot say how far the codes are off, the error is infinite. As many values as the
// centre has (asserted).
[[nodiscard]] CodedQuery code_query(std::span<const float> values, std::span<const float> centre, float usual_error,
                                    std::span<std::int32_t> codes);

}  // namespace driftd::index
