// What the body of a score request holds: an image, or a ready embedding.
//
// Thread-safe: a pure function. Throws Error: unsupported_media for a content type that is not listed in the text,
// invalid_argument for a malformed body, too_large for an image over the limit.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "api/http.hpp"

namespace driftd::api {

// The image's bytes, owned or pointing into the request's body: a raw or multipart image is not copied between socket
// and decoder.
struct ImageBytes {
  std::vector<std::uint8_t> owned;
  std::span<const std::uint8_t> bytes;  // of owned, or of the request
};
using Vector = std::vector<float>;

// The body's media type in lower case, without parameters: "application/json".
[[nodiscard]] std::string media_type(const Request& request);

[[nodiscard]] std::variant<ImageBytes, Vector> read_image_body(const Request& request, std::size_t max_image_bytes);
// The same of a JSON object's "image" or "vector", one of them, beside fields of the caller's.
[[nodiscard]] std::variant<ImageBytes, Vector> read_image_fields(const boost::json::object& object,
                                                                 std::size_t max_image_bytes);

}  // namespace driftd::api
