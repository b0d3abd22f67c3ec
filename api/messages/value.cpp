#include "api/messages/value.hpp"

#include <boost/json.hpp>
#include <cmath>

#include "api/time.hpp"

namespace driftd::api {

namespace json = boost::json;

json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::value time_or_null(std::int64_t unix_ms) {
  return unix_ms > 0 ? json::value(rfc3339(unix_ms)) : json::value(nullptr);
}

json::value moment(const drift::Moment& m) {
  if (m.image == 0) return nullptr;
  return json::object{{"at", rfc3339(m.at_ms)}, {"image", m.image}};
}

}  // namespace driftd::api
