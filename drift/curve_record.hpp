// How a curve is stored: part of the records of alerts and of streams.
//
// Internal to this library. Confined to one thread, as Writer and Reader are.
#pragma once

#include <vector>

#include "drift/bytes.hpp"
#include "drift/curve.hpp"

namespace driftd::drift {

void put(Writer& out, const std::vector<CurvePoint>& curve);
// Throws Error corrupt for points that are not in order, or not finite.
[[nodiscard]] std::vector<CurvePoint> get_curve(Reader& in);

}  // namespace driftd::drift
