#include "api/pool_handler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using Answer = std::function<Response(const Request&)>;

asio::awaitable<Response> run(const Answer& answer, Request request) {
  co_return answer(request);
}

asio::awaitable<Response> run_on(asio::thread_pool& pool, const Answer& answer, Request request) {
  co_return co_await asio::co_spawn(pool, run(answer, std::move(request)), asio::use_awaitable);
}

}  // namespace

Handler on_pool(asio::thread_pool& pool, Answer answer) {
  return [&pool, answer = std::move(answer)](Request request) { return run_on(pool, answer, std::move(request)); };
}

}  // namespace driftd::api
