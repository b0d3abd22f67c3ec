#include "api/image_body.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>
#include <string_view>
#include <utility>

#include "api/base64.hpp"
#include "api/multipart.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 5> kRawTypes{"image/jpeg", "image/png", "image/webp", "image/bmp",
                                                    "application/octet-stream"};

ImageBytes view_of(std::string_view text) {
  return {{}, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}};
}

Vector read_vector(const json::array& numbers) {
  Vector vector;
  for (const auto& number : numbers) {
    boost::system::error_code error;
    vector.push_back(static_cast<float>(number.to_number<double>(error)));
    if (error || !std::isfinite(vector.back()))
      throw Error{Errc::invalid_argument, "\"vector\" must hold finite numbers only"};
  }
  return vector;
}

[[noreturn]] void refuse_json() {
  throw Error{Errc::invalid_argument, R"(the JSON body must be {"image": "<base64>"} or {"vector": [numbers]})"};
}

std::variant<ImageBytes, Vector> read_either(const json::object& object) {
  const auto* image = object.if_contains("image");
  const auto* vector = object.if_contains("vector");
  if (image != nullptr && vector == nullptr && image->is_string()) {
    auto bytes = decode_base64(image->as_string());
    if (!bytes)
      throw Error{Errc::invalid_argument, "\"image\" is not base64 (RFC 4648, with padding, without line breaks)"};
    ImageBytes decoded{std::move(*bytes), {}};
    decoded.bytes = decoded.owned;
    return decoded;
  }
  if (vector != nullptr && image == nullptr && vector->is_array()) return read_vector(vector->as_array());
  refuse_json();
}

std::variant<ImageBytes, Vector> read_json(std::string_view body) {
  boost::system::error_code error;
  const auto value = json::parse(body, error);
  if (error || !value.is_object()) throw Error{Errc::invalid_argument, "the body is not a JSON object"};
  if (value.as_object().size() != 1) refuse_json();
  return read_either(value.as_object());
}

ImageBytes read_multipart(std::string_view content_type, std::string_view body) {
  for (const auto& part : parse_multipart(content_type, body)) {
    if (part.name == "file") return view_of(part.content);
  }
  throw Error{Errc::invalid_argument, "the multipart body has no field named \"file\""};
}

std::variant<ImageBytes, Vector> read_any(const Request& request) {
  const auto content_type = request.header("content-type").value_or("");
  const auto type = media_type(request);
  if (std::find(kRawTypes.begin(), kRawTypes.end(), type) != kRawTypes.end()) return view_of(request.body);
  if (type == "multipart/form-data") return read_multipart(content_type, request.body);
  if (type == "application/json") return read_json(request.body);
  throw Error{Errc::unsupported_media,
              "send the image as the body with Content-Type image/jpeg, image/png, image/webp or image/bmp, as field "
              "\"file\" of "
              "multipart/form-data, or as application/json {\"image\": \"<base64>\"}"};
}

}  // namespace

std::string media_type(const Request& request) {
  const auto content_type = request.header("content-type").value_or("");
  std::string type{content_type.substr(0, content_type.find(';'))};
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return type;
}

namespace {

std::variant<ImageBytes, Vector> within(std::variant<ImageBytes, Vector> body, std::size_t max_image_bytes) {
  if (const auto* image = std::get_if<ImageBytes>(&body)) {
    if (image->bytes.empty()) throw Error{Errc::invalid_argument, "the body holds no image: it is empty"};
    if (image->bytes.size() > max_image_bytes) {
      throw Error{Errc::too_large, "the image has " + std::to_string(image->bytes.size()) +
                                       " bytes, over the limit of " + std::to_string(max_image_bytes)};
    }
  }
  return body;
}

}  // namespace

std::variant<ImageBytes, Vector> read_image_body(const Request& request, std::size_t max_image_bytes) {
  return within(read_any(request), max_image_bytes);
}

std::variant<ImageBytes, Vector> read_image_fields(const json::object& object, std::size_t max_image_bytes) {
  return within(read_either(object), max_image_bytes);
}

}  // namespace driftd::api
