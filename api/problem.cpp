#include "api/problem.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "api/utf8.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kMaxDetailBytes = 1024;

struct Kind {
  int status;
  std::string_view type;  // what follows urn:driftd:problem:
  std::string_view title;
};

constexpr std::array kKinds{
    Kind{400, "malformed", "The request is malformed"},
    Kind{401, "unauthorized", "An API key is needed"},
    Kind{403, "forbidden", "This API key does not allow it"},
    Kind{404, "not-found", "There is no such thing"},
    Kind{405, "method-not-allowed", "The resource does not support this method"},
    Kind{408, "timeout", "The request took too long to arrive"},
    Kind{409, "conflict", "The request is at odds with what is in use"},
    Kind{413, "too-large", "The request is too large"},
    Kind{414, "target-too-long", "The request target is too long"},
    Kind{415, "unsupported-media", "This media type is not accepted"},
    Kind{417, "expectation-failed", "Only 'Expect: 100-continue' is supported"},
    Kind{422, "undecodable", "The content is damaged or cut short"},
    Kind{429, "quota", "The quota of this API key is used up"},
    Kind{431, "header-too-large", "The header section is too large"},
    Kind{500, "internal", "The service failed"},
    Kind{501, "not-implemented", "The service does not implement this"},
    Kind{503, "overloaded", "The service cannot take this request now"},
    Kind{507, "storage-full", "The service has no space left to store this"},
};
constexpr Kind kDeadline{503, "deadline", "The time allowed for the request ran out"};

Kind kind_of(int status) {
  for (const auto& kind : kKinds) {
    if (kind.status == status) return kind;
  }
  return {status, "other", "The request failed"};
}

Response answer(const Kind& kind, std::string_view detail, std::string_view request_id) {
  boost::json::object body;
  body["type"] = "urn:driftd:problem:" + std::string{kind.type};
  body["title"] = kind.title;
  body["status"] = kind.status;
  body["detail"] = clean_utf8(detail, kMaxDetailBytes);
  body["request_id"] = request_id;
  Response response{
      .status = kind.status, .content_type = "application/problem+json", .body = boost::json::serialize(body)};
  if (kind.status == 429 || kind.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

int status_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return 400;
    case Errc::unsupported_media:
      return 415;
    case Errc::undecodable:
      return 422;
    case Errc::too_large:
      return 413;
    case Errc::not_found:
      return 404;
    case Errc::conflict:
      return 409;
    case Errc::overloaded:
      return 503;
    case Errc::deadline:
      return 503;
    case Errc::no_space:
      return 507;
    case Errc::corrupt:
      return 500;
    case Errc::internal:
      return 500;
  }
  return 500;
}

Response problem(int status, std::string_view detail, std::string_view request_id) {
  return answer(kind_of(status), detail, request_id);
}

Response problem(const Error& error, std::string_view request_id) {
  const auto status = status_of(error.code());
  if (status == 500) {
    // The text may name files or addresses of this machine, so it stays in the log.
    return problem(500, "look up the request id " + std::string{request_id} + " in the service's log for the cause",
                   request_id);
  }
  return answer(error.code() == Errc::deadline ? kDeadline : kind_of(status), error.what(), request_id);
}

}  // namespace driftd::api
