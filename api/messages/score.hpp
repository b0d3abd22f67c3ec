// A scored image, as JSON.
//
// Thread-safe: pure functions.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <vector>

#include "api/reference.hpp"
#include "embed/properties.hpp"

namespace driftd::api {

[[nodiscard]] boost::json::object to_json(const Score& score);
[[nodiscard]] boost::json::object to_json(const embed::Properties& properties);
[[nodiscard]] boost::json::array to_json(const std::vector<Neighbour>& neighbours);

}  // namespace driftd::api
