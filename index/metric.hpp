// By which distance vectors are compared. Thread-safe: pure functions.
//
// Under cosine, vectors and queries are scaled to unit length before anything else is done with them. Their L2 distance
// is then sqrt(2 - 2 cos), which orders neighbours as the cosine does, and everything that is true of L2 stays true:
// every kind of index, calibration and score. The distances that are shown are those, from 0 to 2.
#pragma once

#include <span>
#include <string_view>

#include "core/matrix.hpp"

namespace driftd::index {

enum class Metric { l2, cosine };

[[nodiscard]] std::string_view name_of(Metric metric);
// Throws Error{invalid_argument} that lists the names.
[[nodiscard]] Metric metric_of(std::string_view name);

// Scales a vector to unit length. One that has it already, to within the rounding of floats, keeps its bits; one that
// is not finite stays as it is, for the index to refuse. Throws Error{invalid_argument} where every value is 0.
void scale_to_unit(std::span<float> vector);
[[nodiscard]] Matrix scaled_to_unit(MatrixView vectors);

}  // namespace driftd::index
