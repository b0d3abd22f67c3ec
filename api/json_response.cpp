#include "api/json_response.hpp"

#include <boost/json.hpp>

namespace driftd::api {

Response json_response(const boost::json::object& object, int status) {
  Response response;
  response.status = status;
  response.body = boost::json::serialize(object);
  return response;
}

}  // namespace driftd::api
