// What wakes a coroutine that waits for a result from another thread: for use inside asio::async_initiate.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>
#include <utility>

namespace driftd::api {

// A callable (std::exception_ptr, Result) that resumes the handler's coroutine on its own executor. Call it once, on
// any thread. std::function wants a copyable callback, a coroutine's handler is not; the guard keeps the pool running
// while it waits.
template <class Result, class Handler>
auto resumption(Handler handler) {
  auto executor = boost::asio::get_associated_executor(handler);
  auto shared = std::make_shared<Handler>(std::move(handler));
  return [shared, executor, guard = boost::asio::make_work_guard(executor)](std::exception_ptr error, Result result) {
    boost::asio::post(executor,
                      [shared, error, result = std::move(result)]() mutable { (*shared)(error, std::move(result)); });
  };
}

}  // namespace driftd::api
