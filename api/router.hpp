// The table of routes, and the one place where an exception becomes an answer.
//
// One writer, any readers: add() before the server starts, handle() from then on.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.hpp"

namespace driftd::api {

struct Route {
  std::string method;
  std::string pattern;         // "/v1/streams/{s}/reset"; a {name} matches one non-empty segment
  std::size_t body_limit = 0;  // bytes; 0: a request with a body is refused with 413
  Handler handler;
};

class Router {
 public:
  // Told of every finished request, with the pattern (not the path: labels must stay bounded); "none" when nothing
  // matched.
  using Observer = std::function<void(std::string_view pattern, int status, double seconds)>;

  explicit Router(Observer observer = {});
  void add(Route route);

  struct Match {
    const Route* route = nullptr;  // null: see status
    int status = 200;              // 404, or 405 with the allowed methods
    std::string allow;             // "GET, POST" for 405
    std::map<std::string, std::string> parameters;
  };
  // Called with the header only, so that the server knows the body limit before it reads the body. HEAD matches GET.
  [[nodiscard]] Match match(std::string_view method, std::string_view path) const;

  // Runs the matched handler; every exception becomes a problem+json answer (api/problem.hpp). Never throws.
  [[nodiscard]] boost::asio::awaitable<Response> handle(const Match& match, Request request) const;

  void observe(std::string_view pattern, int status, double seconds) const;

 private:
  std::vector<Route> routes_;
  Observer observer_;
};

}  // namespace driftd::api
