// A reference, as JSON: what it holds and promises, its versions and items.
//
// Thread-safe: pure functions.
#pragma once

#include <boost/json/object.hpp>

#include "api/reference.hpp"
#include "index/collection.hpp"
#include "index/item.hpp"

namespace driftd::api {

[[nodiscard]] boost::json::object to_json(const Reference& reference);
[[nodiscard]] boost::json::object to_json(const index::VersionInfo& version);
[[nodiscard]] boost::json::object to_json(const index::Item& item);

}  // namespace driftd::api
