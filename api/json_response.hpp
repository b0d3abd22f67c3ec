// An answer that is a JSON object.
//
// Thread-safe: a pure function.
#pragma once

#include <boost/json/object.hpp>

#include "api/http.hpp"

namespace driftd::api {

[[nodiscard]] Response json_response(const boost::json::object& object, int status = 200);

}  // namespace driftd::api
