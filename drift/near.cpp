#include "drift/near.hpp"

#include "core/error.hpp"
#include "drift/calibration.hpp"

namespace driftd::drift {

std::vector<Near> near_of(std::span<const float> distances, std::span<const std::int64_t> rows,
                          const Calibration& calibration) {
  if (rows.size() != distances.size()) {
    throw Error{Errc::invalid_argument, "a score needs a row and a distance for each neighbour"};
  }
  if (rows.empty() || rows.front() < 0) {
    throw Error{Errc::invalid_argument,
                "the search found no neighbour: is the reference empty, or the probe too narrow?"};
  }
  std::vector<Near> near;
  near.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size() && rows[i] >= 0; ++i) {
    const auto row = static_cast<std::size_t>(rows[i]);
    const bool known = row < calibration.own3.size();
    near.push_back({distances[i], known ? calibration.own3[row] : static_cast<float>(calibration.typical_own3),
                    known ? calibration.own10[row] : static_cast<float>(calibration.typical_own10)});
  }
  return near;
}

}  // namespace driftd::drift
