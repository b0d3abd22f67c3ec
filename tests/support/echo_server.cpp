// A server of nothing but the HTTP layer, for tests that speak to it over sockets: POST /v1/score, GET /livez. Prints
// its port.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <iostream>

#include "api/http_server.hpp"

int main() {
  using namespace driftd::api;
  const Handler echo = [](Request request) -> boost::asio::awaitable<Response> {
    Response response{.content_type = "application/octet-stream", .body = std::move(request.body)};
    co_return response;
  };
  Router router;
  router.add({"POST", "/v1/score", 16 * 1024 * 1024, echo});
  router.add({"GET", "/livez", 0, echo});

  boost::asio::io_context io;
  HttpServer server{io, {.port = 0}, router};
  boost::asio::signal_set signals{io, SIGINT, SIGTERM};
  signals.async_wait([&](auto, int) { server.stop(std::chrono::seconds{5}, [] {}); });
  std::cout << server.port() << std::endl;
  io.run();
}
