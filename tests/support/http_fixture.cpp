#include "tests/support/http_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace driftd::test {
namespace {

namespace asio = boost::asio;

boost::json::object to_object(const auto& pairs) {
  boost::json::object object;
  for (const auto& [name, value] : pairs) object[name] = value;
  return object;
}

asio::awaitable<api::Response> echo(api::Request request) {
  boost::json::object seen;
  seen["method"] = request.method;
  seen["path"] = request.path;
  seen["query"] = to_object(request.query);
  seen["headers"] = to_object(request.headers);
  seen["body"] = request.body;
  api::Response response{.body = boost::json::serialize(seen)};
  co_return response;
}

}  // namespace

HttpFixture::HttpFixture(api::HttpOptions options) : gate_{io_, asio::steady_timer::time_point::max()} {
  options.port = 0;
  router_.add({"GET", "/echo", 0, echo});
  router_.add({"POST", "/echo", 1024 * 1024, echo});
  router_.add({"PUT", "/small", 10, echo});
  router_.add({"GET", "/wait", 0, [this](api::Request request) -> asio::awaitable<api::Response> {
                 waiting_.set_value();
                 co_await gate_.async_wait(asio::as_tuple(asio::use_awaitable));
                 co_return co_await echo(std::move(request));
               }});
  router_.add({"GET", "/large", 0, [](api::Request) -> asio::awaitable<api::Response> {
                 api::Response response{.content_type = "text/plain", .body = std::string(64 * 1024 * 1024, 'x')};
                 co_return response;
               }});
  const auto count = [this](std::string_view reason) {
    const std::lock_guard lock{mutex_};
    rejected_.emplace(reason);
    rejection_.notify_all();
  };
  server_ = std::make_unique<api::HttpServer>(io_, options, router_, count);
  thread_ = std::thread{[this] { io_.run(); }};
}

HttpFixture::~HttpFixture() {
  release();
  server_->stop(std::chrono::milliseconds{0}, [] {});
  thread_.join();
}

bool HttpFixture::wait_until_rejected(const std::string& reason) {
  std::unique_lock lock{mutex_};
  return rejection_.wait_for(lock, std::chrono::seconds{10}, [&] { return rejected_.contains(reason); });
}

void HttpFixture::release() {
  asio::post(io_, [this] { gate_.cancel(); });
}

}  // namespace driftd::test
