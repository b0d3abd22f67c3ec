#include "api/async_embed.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <utility>

namespace driftd::api {

namespace asio = boost::asio;

asio::awaitable<AsyncEmbedding> async_embed(embed::Batcher& batcher, std::vector<float> tensor, embed::Batcher::Clock::time_point deadline) {
  auto start = [&batcher, deadline](auto handler, std::vector<float> image) {
    auto executor = asio::get_associated_executor(handler);
    // std::function wants a copyable callback, a coroutine's handler is not; the guard keeps the pool running while we wait.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto resume = [shared, executor, guard = asio::make_work_guard(executor)](std::exception_ptr error, AsyncEmbedding result) {
      asio::post(executor, [shared, error, result = std::move(result)]() mutable { (*shared)(error, std::move(result)); });
    };
    try {
      batcher.submit(std::move(image), deadline, [resume](std::vector<float> vector, std::exception_ptr error, embed::Batcher::Timing timing) {
        resume(error, {std::move(vector), timing});
      });
    } catch (...) {
      resume(std::current_exception(), {});
    }
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, AsyncEmbedding)>(
      std::move(start), asio::use_awaitable, std::move(tensor));
}

}  // namespace driftd::api
