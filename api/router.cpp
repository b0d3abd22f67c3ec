#include "api/router.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "api/log.hpp"
#include "api/problem.hpp"

namespace driftd::api {
namespace {

// Takes the first segment off "/a/b" and leaves "/b".
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const auto segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

bool is_parameter(std::string_view segment) {
  return segment.size() > 2 && segment.starts_with('{') && segment.ends_with('}');
}

// Sorts "/a/b" before "/a/{x}" before "/{x}/b": where both fit, the more literal pattern is meant.
std::string rank_of(std::string_view pattern) {
  std::string rank;
  while (!pattern.empty()) rank += is_parameter(take_segment(pattern)) ? '1' : '0';
  return rank;
}

bool fits(std::string_view pattern, std::string_view path, std::map<std::string, std::string>& parameters) {
  parameters.clear();
  while (!pattern.empty() && !path.empty()) {
    const auto expected = take_segment(pattern);
    const auto actual = take_segment(path);
    if (is_parameter(expected) && !actual.empty()) {
      parameters.emplace(expected.substr(1, expected.size() - 2), actual);
    } else if (expected != actual) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

void add_method(std::string& allow, std::string_view method) {
  if (allow.find(method) != std::string::npos) return;
  if (!allow.empty()) allow += ", ";
  allow += method;
}

Response unmatched(const Router::Match& match, const Request& request) {
  if (match.status != 405) return problem(404, "no resource has this path: see /openapi.json", request.id);
  auto response = problem(405, "this resource supports " + match.allow, request.id);
  response.headers.emplace_back("Allow", match.allow);
  return response;
}

// Called inside a catch block.
Response answer_of_current_exception(std::string_view request_id) {
  try {
    throw;
  } catch (const Error& error) {
    if (status_of(error.code()) == 500) log(LogLevel::error, error.what(), {{"request_id", request_id}});
    return problem(error, request_id);
  } catch (const std::exception& error) {
    log(LogLevel::error, error.what(), {{"request_id", request_id}});
  } catch (...) {
    log(LogLevel::error, "an exception of unknown type", {{"request_id", request_id}});
  }
  return problem(Error{Errc::internal, ""}, request_id);
}

}  // namespace

Router::Router(Observer observer) : observer_{std::move(observer)} {}

void Router::add(Route route) {
  const auto place = std::ranges::upper_bound(routes_, rank_of(route.pattern), {},
                                              [](const Route& other) { return rank_of(other.pattern); });
  routes_.insert(place, std::move(route));
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Match match{.status = 404};
  for (const auto& route : routes_) {
    if (!path.starts_with('/') || !fits(route.pattern, path, match.parameters)) continue;
    if (route.method == wanted) return {.route = &route, .parameters = std::move(match.parameters)};
    match.status = 405;
    add_method(match.allow, route.method);
    if (route.method == "GET") add_method(match.allow, "HEAD");
  }
  match.parameters.clear();
  return match;
}

boost::asio::awaitable<Response> Router::handle(const Match& match, Request request) const {
  const auto id = request.id;
  const auto received = request.received;
  Response response;
  try {
    if (match.route == nullptr) {
      response = unmatched(match, request);
    } else {
      request.parameters = match.parameters;
      response = co_await match.route->handler(std::move(request));
    }
  } catch (...) {
    response = answer_of_current_exception(id);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - received;
  observe(match.route == nullptr ? "none" : match.route->pattern, response.status, elapsed.count());
  co_return response;
}

void Router::observe(std::string_view pattern, int status, double seconds) const {
  if (observer_) observer_(pattern, status, seconds);
}

}  // namespace driftd::api
