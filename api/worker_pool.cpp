#include "api/worker_pool.hpp"

#include "core/thread.hpp"

namespace driftd::api {

WorkerPool::WorkerPool(std::size_t threads) {
  const NewThreadsNamed named{"worker"};
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { context_.run(); });
}

WorkerPool::~WorkerPool() {
  join();
}

void WorkerPool::help(std::size_t count) {
  while (count > 0 && context_.poll_one() > 0) --count;
}

void WorkerPool::join() {
  open_.reset();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace driftd::api
