#include "api/routes.hpp"

#include <boost/json.hpp>
#include <utility>

#include "api/json_response.hpp"
#include "api/messages/stream.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

template <class List>
Response list_response(const char* name, const List& list) {
  json::array array;
  for (const auto& element : list) array.push_back(to_json(element));
  return json_response({{name, std::move(array)}});
}

template <class T>
const T& found(const std::optional<T>& value, const char* what) {
  if (!value) throw Error{Errc::not_found, std::string{"there is no such "} + what};
  return *value;
}

awaitable<Response> get_streams(const drift::Monitor& monitor, Request) {
  co_return list_response("streams", monitor.streams(now_ms()));
}

awaitable<Response> get_stream(const drift::Monitor& monitor, Request request) {
  co_return json_response(to_json(found(monitor.stream(request.parameters.at("s"), now_ms()), "stream")));
}

awaitable<Response> reset_stream(drift::Monitor& monitor, Request request) {
  monitor.reset(request.parameters.at("s"), now_ms());
  co_return json_response(to_json(found(monitor.stream(request.parameters.at("s"), now_ms()), "stream")));
}

Response text_response(int status, std::string text, std::string content_type = "text/plain; charset=utf-8") {
  return {.status = status, .content_type = std::move(content_type), .body = std::move(text), .headers = {}};
}

awaitable<Response> readyz(const Readiness& not_ready_because, Request) {
  const auto reason = not_ready_because.with([](const std::string& text) { return text; });
  co_return reason.empty() ? text_response(200, "ok\n") : text_response(503, reason + "\n");
}

}  // namespace

void add_public_routes(Router& router, ScoringService& scoring, drift::Monitor& monitor, std::size_t max_image_bytes) {
  const auto body = max_image_bytes / 3 * 4 + 64 * 1024;
  router.add({"POST", "/v1/score", body, [&](Request r) { return scoring.score(std::move(r)); }});
  router.add({"GET", "/v1/streams", 0, [&](Request r) { return get_streams(monitor, std::move(r)); }});
  router.add({"GET", "/v1/streams/{s}", 0, [&](Request r) { return get_stream(monitor, std::move(r)); }});
  router.add({"POST", "/v1/streams/{s}/reset", 1024, [&](Request r) { return reset_stream(monitor, std::move(r)); }});
}

void add_admin_routes(Router& router, const Readiness& not_ready_because, const Metrics& metrics) {
  router.add({"GET", "/livez", 0, [](Request) -> awaitable<Response> { co_return text_response(200, "ok\n"); }});
  router.add({"GET", "/readyz", 0, [&](Request r) { return readyz(not_ready_because, std::move(r)); }});
  router.add({"GET", "/metrics", 0, [&](Request) -> awaitable<Response> {
                co_return text_response(200, metrics.expose(), "text/plain; version=0.0.4; charset=utf-8");
              }});
}

}  // namespace driftd::api
