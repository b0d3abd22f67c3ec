// The review queue, as JSON: its items, and what their answers say of a stream.
//
// Thread-safe: pure functions.
#pragma once

#include <boost/json/object.hpp>

#include "drift/review.hpp"

namespace driftd::api {

[[nodiscard]] boost::json::object to_json(const drift::ReviewItem& item);
[[nodiscard]] boost::json::object to_json(const drift::ReviewEstimate& estimate);

}  // namespace driftd::api
