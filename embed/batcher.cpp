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
  Image image;
  Batcher::Callback callback;
};

using Queue = BatchQueue<Job>;

// Images that a thread takes where enough wait, so that their searches share a pass.
constexpr std::size_t kTogether = 8;

// Taken out of the entries, so that they do not stay in memory while the model runs.
std::vector<Image> images_of(std::vector<Queue::Entry>& entries) {
  std::vector<Image> images;
  for (Queue::Entry& entry : entries) images.push_back(std::move(entry.job.image));
  return images;
}

}  // namespace

class Batcher::Impl {
 public:
  Impl(std::unique_ptr<Embedder> embedder, const Preprocess& spec, std::size_t max_queue)
      : embedder_{std::move(embedder)},
        spec_{spec},
        max_batch_{std::max(kTogether, embedder_->preferred_batch())},
        team_{std::max<std::size_t>(1, embedder_->threads())},
        queue_{max_queue} {
    for (std::size_t number = 0; number < team_; ++number) threads_.emplace_back([this, number] { work(number); });
  }

  ~Impl() {
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  void submit(Image image, Clock::time_point deadline, Callback callback) {
    {
      const std::lock_guard lock{mutex_};
      if (!queue_.push({Clock::now(), deadline, {std::move(image), std::move(callback)}})) {
        throw Error{Errc::overloaded,
                    "the model's queue is full (" + std::to_string(queue_.size()) + " images); try again later"};
      }
    }
    changed_.notify_all();
  }

  [[nodiscard]] std::size_t queued() const {
    const std::lock_guard lock{mutex_};
    return queue_.size();
  }

 private:
  // A lone image is always the first thread's, so that OpenMP keeps one team: with one for each thread it would take
  // them for too many, and put a member to sleep whenever it has to wait for another.
  [[nodiscard]] bool may_start(std::size_t number) const {
    return stopping_ || (queue_.size() > 0 && (number == 0 || busy_ > 0));
  }

  void work(std::size_t number) {
    for (;;) {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [&] { return may_start(number); });
      if (queue_.size() == 0) return;
      const Clock::time_point start = Clock::now();
      const bool lone = queue_.size() == 1 && busy_ == 0;
      Queue::Batch batch = queue_.pop(start, std::min((queue_.size() + team_ - 1) / team_, max_batch_));
      ++busy_;
      const bool more = queue_.size() > 0;
      lock.unlock();
      if (more) changed_.notify_all();
      refuse(std::move(batch.expired), start);
      if (!batch.ready.empty()) run(std::move(batch.ready), start, lone && number == 0);
      lock.lock();
      --busy_;
    }
  }

  static void refuse(std::vector<Queue::Entry> expired, Clock::time_point now) {
    for (Queue::Entry& entry : expired) {
      const auto error = std::make_exception_ptr(
          Error{Errc::deadline, "the time allowed ran out while the image waited for the model"});
      entry.job.callback({}, error, {.queued = now - entry.submitted});
    }
  }

  void run(std::vector<Queue::Entry> entries, Clock::time_point start, bool on_all_threads) {
    Matrix embeddings;
    std::exception_ptr error;
    try {
      const Matrix tensors = normalise(images_of(entries), spec_);
      embeddings = on_all_threads ? embedder_->embed(tensors) : embedder_->embed_alone(tensors);
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

  const std::unique_ptr<Embedder> embedder_;
  const Preprocess spec_;
  const std::size_t max_batch_;
  const std::size_t team_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Queue queue_;                       // guarded by mutex_
  std::size_t busy_ = 0;              // threads that compute; guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
  std::vector<std::thread> threads_;  // last: they use all of the above
};

Batcher::Batcher(std::unique_ptr<Embedder> embedder, const Preprocess& spec, std::size_t max_queue)
    : impl_{std::make_unique<Impl>(std::move(embedder), spec, max_queue)} {}
Batcher::~Batcher() = default;

void Batcher::submit(Image image, Clock::time_point deadline, Callback callback) {
  impl_->submit(std::move(image), deadline, std::move(callback));
}

std::size_t Batcher::queued() const {
  return impl_->queued();
}

}  // namespace driftd::embed
