#include "embed/batcher.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "core/matrix.hpp"
#include "embed/batch_queue.hpp"

namespace driftd::embed {
namespace {

struct Job {
  std::vector<float> image;
  Batcher::Callback callback;
};

using Queue = BatchQueue<Job>;

// Throws Error{invalid_argument} when the images differ in size, which the embedder could not notice.
Matrix gather(const std::vector<Queue::Entry>& entries) {
  const std::size_t size = entries.front().job.image.size();
  Matrix images{0, size};
  images.data.reserve(entries.size() * size);
  for (const Queue::Entry& entry : entries) {
    if (entry.job.image.size() != size)
      throw Error{Errc::invalid_argument, "images of different sizes wait for one model"};
    images.data.insert(images.data.end(), entry.job.image.begin(), entry.job.image.end());
    ++images.rows;
  }
  return images;
}

}  // namespace

class Batcher::Impl {
 public:
  Impl(std::unique_ptr<Embedder> embedder, std::size_t max_queue)
      : embedder_{std::move(embedder)},
        max_batch_{std::max<std::size_t>(1, embedder_->preferred_batch())},
        queue_{max_queue},
        thread_{[this] { work(); }} {}

  ~Impl() {
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void submit(std::vector<float> image, Clock::time_point deadline, Callback callback) {
    {
      const std::lock_guard lock{mutex_};
      if (!queue_.push({Clock::now(), deadline, {std::move(image), std::move(callback)}})) {
        throw Error{Errc::overloaded,
                    "the model's queue is full (" + std::to_string(queue_.size()) + " images); try again later"};
      }
    }
    changed_.notify_one();
  }

  [[nodiscard]] std::size_t queued() const {
    const std::lock_guard lock{mutex_};
    return queue_.size();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return stopping_ || queue_.size() > 0; });
      if (queue_.size() == 0) return;
      const Clock::time_point start = Clock::now();
      Queue::Batch batch = queue_.pop(start, max_batch_);
      lock.unlock();
      refuse(std::move(batch.expired), start);
      if (!batch.ready.empty()) run(std::move(batch.ready), start);
    }
  }

  static void refuse(std::vector<Queue::Entry> expired, Clock::time_point now) {
    for (Queue::Entry& entry : expired) {
      const auto error = std::make_exception_ptr(
          Error{Errc::deadline, "the time allowed ran out while the image waited for the model"});
      entry.job.callback({}, error, {.queued = now - entry.submitted});
    }
  }

  void run(std::vector<Queue::Entry> entries, Clock::time_point start) {
    Matrix embeddings;
    std::exception_ptr error;
    try {
      embeddings = embedder_->embed(gather(entries));
    } catch (...) {
      error = std::current_exception();
    }
    const Clock::duration run = Clock::now() - start;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const Timing timing{.queued = start - entries[i].submitted, .run = run, .batch = entries.size()};
      std::vector<float> embedding;
      if (!error) embedding.assign(embeddings.row(i).begin(), embeddings.row(i).end());
      entries[i].job.callback(std::move(embedding), error, timing);
    }
  }

  const std::unique_ptr<Embedder> embedder_;  // used by thread_ alone
  const std::size_t max_batch_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Queue queue_;            // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: it uses all of the above
};

Batcher::Batcher(std::unique_ptr<Embedder> embedder, std::size_t max_queue)
    : impl_{std::make_unique<Impl>(std::move(embedder), max_queue)} {}
Batcher::~Batcher() = default;

void Batcher::submit(std::vector<float> image, Clock::time_point deadline, Callback callback) {
  impl_->submit(std::move(image), deadline, std::move(callback));
}

std::size_t Batcher::queued() const {
  return impl_->queued();
}

}  // namespace driftd::embed
