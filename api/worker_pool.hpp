// The threads that decode, search and answer; who hands them work may lend a hand.
//
// Thread-safe. The queue is as long as its callers let it get: EmbeddingService counts requests in.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <thread>
#include <vector>

namespace driftd::api {

class WorkerPool {
 public:
  using Executor = boost::asio::io_context::executor_type;

  explicit WorkerPool(std::size_t threads);
  ~WorkerPool();  // as join()
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  [[nodiscard]] Executor executor() { return context_.get_executor(); }

  // On the calling thread what is ready to run, at most `count` of it. Any thread but the pool's own.
  void help(std::size_t count);

  // Waits until nothing is left to run.
  void join();

 private:
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<Executor> open_{context_.get_executor()};
  std::vector<std::thread> threads_;
};

}  // namespace driftd::api
