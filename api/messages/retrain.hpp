// A retrain request, as JSON.
//
// Thread-safe: pure functions.
#pragma once

#include <boost/json/object.hpp>

#include "drift/retrain.hpp"

namespace driftd::api {

[[nodiscard]] boost::json::object to_json(const drift::RetrainRequest& request);

}  // namespace driftd::api
