#include "drift/curve_record.hpp"

#include <cmath>
#include <cstdint>

#include "drift/moment_record.hpp"

namespace driftd::drift {

void put(Writer& out, const std::vector<CurvePoint>& curve) {
  out.put(static_cast<std::uint64_t>(curve.size()));
  for (const auto& point : curve) {
    put(out, point.at);
    out.put(point.value);
    out.put(point.limit);
  }
}

std::vector<CurvePoint> get_curve(Reader& in) {
  std::vector<CurvePoint> curve(in.count(24));
  std::uint64_t last = 0;
  for (auto& point : curve) {
    point.at = get_moment(in);
    point.value = in.get<float>();
    point.limit = in.get<float>();
    in.require(point.at.image >= last && std::isfinite(point.value), "its curve contradicts");
    last = point.at.image;
  }
  return curve;
}

}  // namespace driftd::drift
