#include "api/router.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <stdexcept>

#include "api/log.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using api::Request;
using api::Response;
using api::Router;

namespace {

api::Handler answering(const std::string& name) {
  return [name](Request request) -> boost::asio::awaitable<Response> {
    Response response{.body = name};
    for (const auto& [key, value] : request.parameters) response.body += " " + key + "=" + value;
    co_return response;
  };
}

template <class Thrown>
api::Handler throwing(Thrown thrown) {
  return [thrown](Request) -> boost::asio::awaitable<Response> {
    throw thrown;
    co_return Response{};
  };
}

Response run(const Router& router, const std::string& method, const std::string& path) {
  boost::asio::io_context io;
  const auto match = router.match(method, path);
  Request request{.method = method, .path = path, .id = "the-id", .received = std::chrono::steady_clock::now()};
  auto answer = boost::asio::co_spawn(io, router.handle(match, std::move(request)), boost::asio::use_future);
  io.run();
  return answer.get();
}

Router table() {
  Router router;
  router.add({"GET", "/", 0, answering("root")});
  router.add({"GET", "/v1/streams/{s}", 0, answering("stream")});
  router.add({"DELETE", "/v1/streams/{s}", 0, answering("drop")});
  router.add({"POST", "/v1/streams/{s}/reset", 0, answering("reset")});
  router.add({"GET", "/v1/streams/all", 0, answering("all")});
  router.add({"GET", "/v1/{kind}/{id}/items/{item}", 0, answering("item")});
  return router;
}

}  // namespace

TEST_CASE("a path finds its route and gives its parameters") {
  const auto router = table();
  CHECK(run(router, "GET", "/").body == "root");
  CHECK(run(router, "GET", "/v1/streams/line 3").body == "stream s=line 3");
  CHECK(run(router, "POST", "/v1/streams/a/reset").body == "reset s=a");
  CHECK(run(router, "GET", "/v1/b/c/items/d").body == "item id=c item=d kind=b");
  CHECK(run(router, "HEAD", "/v1/streams/a").body == "stream s=a");
}

TEST_CASE("the more literal of two patterns is meant, whichever was added first") {
  CHECK(run(table(), "GET", "/v1/streams/all").body == "all");
}

TEST_CASE("a path without a route is not found") {
  const auto path = GENERATE("", "/v1", "/v1/", "/v1/streams", "/v1/streams/", "//v1/streams/a", "/v1/streams/a/",
                             "/v1/streams//reset", "/v1/streams/a/reset/b", "v1/streams/a", "/V1/streams/a");
  CAPTURE(path);
  CHECK(run(table(), "GET", path).status == 404);
}

TEST_CASE("a method that a path lacks is answered with those it has") {
  const auto match = table().match("PUT", "/v1/streams/a");
  CHECK(match.route == nullptr);
  CHECK(match.status == 405);
  const auto response = run(table(), "PUT", "/v1/streams/a");
  CHECK(response.status == 405);
  CHECK(response.headers == std::vector<std::pair<std::string, std::string>>{{"Allow", "GET, HEAD, DELETE"}});
  CHECK(table().match("HEAD", "/v1/streams/a/reset").status == 405);
}

TEST_CASE("every exception becomes an answer, and the text of a failure only reaches the log") {
  std::string logged;
  api::set_log_sink([&](std::string_view line) { logged = line; });
  Router router;
  router.add({"GET", "/error", 0, throwing(Error{Errc::conflict, "another model is in use"})});
  router.add({"GET", "/internal", 0, throwing(Error{Errc::internal, "secret /etc/path"})});
  router.add({"GET", "/std", 0, throwing(std::runtime_error{"secret 0x7fff"})});
  router.add({"GET", "/int", 0, throwing(1)});
  CHECK(run(router, "GET", "/error").status == 409);
  CHECK(logged.empty());
  for (const auto* path : {"/internal", "/std", "/int"}) {
    CAPTURE(path);
    const auto response = run(router, "GET", path);
    CHECK(response.status == 500);
    CHECK(response.body.find("secret") == std::string::npos);
    CHECK(response.body.find("the-id") != std::string::npos);
    CHECK(boost::json::parse(logged).at("request_id") == "the-id");
    CHECK(boost::json::parse(logged).at("level") == "error");
  }
  api::set_log_sink({});
}

TEST_CASE("the observer is told the pattern and never the path") {
  std::vector<std::pair<std::string, int>> seen;
  Router router{[&](std::string_view pattern, int status, double seconds) {
    CHECK(seconds >= 0);
    seen.emplace_back(pattern, status);
  }};
  router.add({"GET", "/a/{b}", 0, answering("")});
  router.add({"GET", "/bad", 0, throwing(1)});
  api::set_log_sink([](std::string_view) {});
  run(router, "GET", "/a/x");
  run(router, "GET", "/nothing");
  run(router, "PUT", "/a/x");
  run(router, "GET", "/bad");
  api::set_log_sink({});
  CHECK(seen == std::vector<std::pair<std::string, int>>{{"/a/{b}", 200}, {"none", 404}, {"none", 405}, {"/bad", 500}});
}
