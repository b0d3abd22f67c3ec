// A reference in memory, for tests: a segment with its calibration, and nothing added since.
#pragma once

#include <memory>
#include <utility>

#include "api/reference.hpp"

namespace driftd::test {

inline api::Reference reference_of(index::Segment items, drift::Calibration calibration) {
  items.set_companion(std::make_shared<const api::Normal>(api::Normal{std::move(calibration), {}, {}}));
  const auto dimension = items.dimension();
  return {std::make_shared<const index::Snapshot>(1, 0, std::make_shared<const index::Segment>(std::move(items)),
                                                  index::Tail{dimension}.view(), nullptr, nullptr)};
}

}  // namespace driftd::test
