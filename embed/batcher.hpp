// Deals single images from many threads to the threads of one Embedder.
//
// An image that comes while nothing else is going on gets all threads. Several are one run: they are cut into pieces,
// each of which one thread computes, since threads that work on one image together meet after every layer, and wait
// there for whichever the system has put aside; and they are answered together, so that the search that follows is one
// for all. For that an image may wait for company (embed/batch_turn.hpp). The queue is bounded; full is an answer. A
// job whose deadline passed while it waited is never run. Thread-safe. The destructor finishes what is queued, then
// joins.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "embed/embedder.hpp"
#include "embed/image.hpp"

namespace driftd::embed {

class Batcher {
 public:
  using Clock = std::chrono::steady_clock;
  struct Timing {
    Clock::duration queued{};  // from submit() until its run started
    Clock::duration run{};     // of all its images
    std::size_t batch = 0;     // how many they are
  };
  // Called once for each accepted job; must return quickly. On failure embedding is empty and error set.
  using Callback = std::function<void(std::vector<float> embedding, std::exception_ptr error, Timing timing)>;
  // Calls what it is given, at once or later: the callbacks of all jobs of a run. idle: no image waits, so the thread
  // may stay away for a while.
  using Deliver = std::function<void(std::function<void()> callbacks, bool idle)>;

  // deliver: called on the batcher's threads; left out, callbacks run there.
  Batcher(std::unique_ptr<Embedder> embedder, std::size_t max_queue, Deliver deliver = {});
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  // image: as fit() leaves it. Throws Error{overloaded} when the queue is full; then the callback is not called.
  // A job that expires in the queue gets Error{deadline}.
  void submit(Image image, Clock::time_point deadline, Callback callback);

  // A request is at work on the cores that the model's threads use, from its beginning to its end but for the time that
  // its image is here (embed/batch_turn.hpp). As many end as begin.
  void begin_request();
  void end_request();

  [[nodiscard]] std::size_t queued() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftd::embed
