// Collects single images from many threads into batches for one Embedder, which runs on a thread of its own.
//
// A batch is started as soon as the model is idle and at least one image waits; images that arrive while it runs form
// the next one, up to Embedder::preferred_batch(). So an image never waits for company: batch 1 when there is no load,
// full batches under load. The queue is bounded; full is an answer. A job whose deadline passed while it waited is
// never run. Thread-safe. The destructor finishes what is queued, then joins.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "embed/embedder.hpp"

namespace driftd::embed {

class Batcher {
 public:
  using Clock = std::chrono::steady_clock;
  struct Timing {
    Clock::duration queued{};  // from submit() until its batch started
    Clock::duration run{};     // of the whole batch
    std::size_t batch = 0;     // how many images shared it
  };
  // Called once for each accepted job, on the batcher's thread; must return quickly. On failure embedding is empty and
  // error set.
  using Callback = std::function<void(std::vector<float> embedding, std::exception_ptr error, Timing timing)>;

  Batcher(std::unique_ptr<Embedder> embedder, std::size_t max_queue);
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // image: one preprocessed image. Throws Error{overloaded} when the queue is full; then the callback is not called.
  // A job that expires in the queue gets Error{deadline}.
  void submit(std::vector<float> image, Clock::time_point deadline, Callback callback);

  [[nodiscard]] std::size_t queued() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftd::embed
