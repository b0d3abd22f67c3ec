#include "api/shadow_routes.hpp"

#include <boost/json.hpp>
#include <utility>

#include "api/json_body.hpp"
#include "api/json_response.hpp"
#include "api/pool_handler.hpp"
#include "core/error.hpp"
#include "drift/statistics.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kBody = 4096;

json::object side(const ShadowSide& side, std::size_t images) {
  const auto bounds = drift::wilson(side.ood, images);
  json::object object{
      {"reference", side.reference},
      {"ood", side.ood},
      {"ood_rate",
       images == 0 ? json::value(nullptr) : json::value(static_cast<double>(side.ood) / static_cast<double>(images))},
      {"lower", bounds.lower},
      {"upper", bounds.upper}};
  json::array verdicts;
  for (const auto& v : side.verdicts)
    verdicts.push_back(json::object{{"rule", v.rule}, {"fired", v.fired}, {"value", v.value}, {"limit", v.limit}});
  object["verdicts"] = std::move(verdicts);
  return object;
}

json::object comparison(const ShadowStream& s) {
  return {{"images", s.images},
          {"excluded", s.excluded},
          {"live", side(s.live, s.images)},
          {"candidate", side(s.candidate, s.images)},
          {"changed", {{"to_ood", s.to_ood}, {"to_in", s.to_in}}}};
}

json::object to_json(const ShadowReport& report) {
  json::array streams;
  for (const auto& s : report.streams) {
    auto one = comparison(s);
    one["stream"] = s.stream;
    streams.push_back(std::move(one));
  }
  return {{"live", report.live},
          {"candidate", report.candidate},
          {"alpha", report.alpha},
          {"total", comparison(report.total)},
          {"streams", std::move(streams)}};
}

Response post_shadow(Shadow& shadow, const Request& request) {
  const JsonBody body{request.body, {"version", "reference", "stream"}};
  const ShadowCandidate candidate{body.integer("version", 1, INT32_MAX), body.text("reference", 256)};
  if (candidate.version.has_value() == !candidate.reference.empty()) {
    throw Error{Errc::invalid_argument,
                R"(the body must name the candidate: {"version": 5}, or {"reference": "other"})"};
  }
  std::vector<std::string> streams;
  if (body.has("stream")) streams.push_back(body.text("stream", 64));
  return json_response(to_json(shadow.replay(request.parameters.at("r"), candidate, streams)));
}

}  // namespace

void add_shadow_routes(Router& router, boost::asio::thread_pool& pool, Shadow& shadow) {
  router.add({"POST", "/v1/references/{r}/shadow", kBody,
              on_pool(pool, [&](const Request& r) { return post_shadow(shadow, r); })});
}

}  // namespace driftd::api
