// What wakes a coroutine that waits for a result from another thread: for use inside asio::async_initiate.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <memory>
#include <utility>

namespace driftd::api {

// Behind what is ready to run, or before the callback returns where its thread is one of the executor's.
enum class Resume { behind_others, at_once };

// A callable (std::exception_ptr, Result) that resumes the handler's coroutine on its own executor. Call it once, on
// any thread. std::function wants a copyable callback, a coroutine's handler is not; the guard keeps the pool running
// while it waits.
template <class Result, class Handler>
auto resumption(Handler handler, Resume when) {
  auto executor = boost::asio::get_associated_executor(handler);
  auto shared = std::make_shared<Handler>(std::move(handler));
  return [shared, executor, when, guard = boost::asio::make_work_guard(executor)](std::exception_ptr error,
                                                                                  Result result) {
    auto resume = [shared, error, result = std::move(result)]() mutable { (*shared)(error, std::move(result)); };
    if (when == Resume::at_once) return boost::asio::dispatch(executor, std::move(resume));
    boost::asio::post(executor, std::move(resume));
  };
}

}  // namespace driftd::api
