#include "api/jpeg_response.hpp"

namespace driftd::api {

Response jpeg_response(std::span<const std::byte> jpeg, Lasts lasts) {
  const auto* cache = lasts == Lasts::forever ? "private, max-age=86400, immutable" : "private, max-age=300";
  Response response{.status = 200,
                    .content_type = "image/jpeg",
                    .body = {},
                    .headers = {{"Cache-Control", cache}, {"X-Content-Type-Options", "nosniff"}}};
  response.body.assign(reinterpret_cast<const char*>(jpeg.data()), jpeg.size());
  return response;
}

}  // namespace driftd::api
