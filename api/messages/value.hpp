// Values that JSON has no word for, and parts of several messages.
//
// Thread-safe: pure functions. A number that is not finite becomes null, as does a time or a moment that never was.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <vector>

#include "drift/moment.hpp"

namespace driftd::api {

[[nodiscard]] boost::json::value number(double value);
[[nodiscard]] boost::json::value time_or_null(std::int64_t unix_ms);   // null: 0 or less
[[nodiscard]] boost::json::value moment(const drift::Moment& moment);  // {"at", "image"}

// Of what has an id, a label, a distance and a uri.
template <class Near>
[[nodiscard]] boost::json::array neighbours(const std::vector<Near>& list) {
  boost::json::array out;
  for (const auto& n : list) {
    out.push_back(
        boost::json::object{{"id", n.id}, {"label", n.label}, {"distance", number(n.distance)}, {"uri", n.uri}});
  }
  return out;
}

}  // namespace driftd::api
