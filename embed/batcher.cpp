#include "embed/batcher.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "core/crew.hpp"
#include "core/error.hpp"
#include "core/matrix.hpp"
#include "core/thread.hpp"
#include "embed/batch_queue.hpp"
#include "embed/batch_turn.hpp"
#include "embed/seats.hpp"

namespace driftd::embed {
namespace {

// What the first thread may be away to deliver, until others compute lone images.
constexpr auto kAway = std::chrono::milliseconds{250};

struct Job {
  Image image;
  Batcher::Callback callback;
};

using Queue = BatchQueue<Job>;

// Taken out of the entries, so that they do not stay in memory while the model runs.
std::vector<Image> images_of(std::vector<Queue::Entry>& entries) {
  std::vector<Image> images;
  for (Queue::Entry& entry : entries) images.push_back(std::move(entry.job.image));
  return images;
}

}  // namespace

class Batcher::Impl {
 public:
  Impl(std::unique_ptr<Embedder> embedder, std::size_t max_queue, Deliver deliver)
      : embedder_{std::move(embedder)},
        deliver_{std::move(deliver)},
        preferred_{std::max<std::size_t>(1, embedder_->preferred_batch())},
        team_{std::max<std::size_t>(1, embedder_->threads())},
        queue_{max_queue} {
    const NewThreadsNamed named{"model"};
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

  void begin_request() {
    const std::lock_guard lock{mutex_};
    ++requests_;
  }

  void end_request() {
    const std::lock_guard lock{mutex_};
    --requests_;
    last_answer_ = Clock::now();
    if (queue_.size() > 0) changed_.notify_all();  // a core may be idle now
  }

  [[nodiscard]] std::size_t queued() const {
    const std::lock_guard lock{mutex_};
    return queue_.size();
  }

 private:
  static constexpr auto kPresent = Clock::time_point::max();

  // Requests that decode, search or answer.
  [[nodiscard]] std::size_t elsewhere() const {
    const std::size_t here = queue_.size() + computed_;
    return requests_ > here ? requests_ - here : 0;
  }

  // A lone image is always the first thread's, so that OpenMP keeps one team: with one for each thread it would take
  // them for too many, and put a member to sleep whenever it has to wait for another. But not for ever: what it
  // delivers may wait for a disk.
  [[nodiscard]] bool has_turn(std::size_t number) const {
    return queue_.size() > 0 && (number == 0 || busy_ > 0 || Clock::now() >= first_is_back_);
  }

  [[nodiscard]] BatchTurn turn(Clock::time_point free_since) const {
    return {.threads = team_,
            .busy = busy_,
            .waiting = queue_.size(),
            .elsewhere = elsewhere(),
            .preferred = preferred_,
            .free_since = free_since,
            .oldest = queue_.oldest(),
            .last_answer = last_answer_,
            .last_run = last_run_};
  }

  // Until there are images for this thread, or nothing more will come; then false.
  [[nodiscard]] bool wait(std::unique_lock<std::mutex>& lock, std::size_t number) {
    const Clock::time_point free_since = Clock::now();
    for (;;) {
      if (stopping_) return queue_.size() > 0;
      if (!has_turn(number)) {
        if (queue_.size() > 0 && first_is_back_ != kPresent)
          changed_.wait_until(lock, first_is_back_);
        else
          changed_.wait(lock);
        continue;
      }
      const Clock::time_point start = start_by(turn(free_since));
      if (start <= Clock::now()) return true;
      changed_.wait_until(lock, start);
    }
  }

  void work(std::size_t number) {
    for (std::unique_lock lock{mutex_}; wait(lock, number);) {
      const Clock::time_point start = Clock::now();
      const bool lone = number == 0 && queue_.size() == 1 && busy_ == 0 && elsewhere() == 0;
      Queue::Batch batch = queue_.pop(start, share(turn(start)));
      const std::size_t count = batch.ready.size();
      computed_ += count;
      ++busy_;
      const bool more = queue_.size() > 0;
      lock.unlock();
      if (more) changed_.notify_all();
      refuse(std::move(batch.expired), start);
      std::function<void()> callbacks;
      if (count > 0) callbacks = compute(std::move(batch.ready), start, lone);
      // Before the answers are out: who gets one may ask again while this thread is put aside, and is not to find it
      // busy.
      lock.lock();
      --busy_;
      computed_ -= count;
      last_run_ = Clock::now() - start;
      const bool idle = queue_.size() == 0;
      if (number == 0) first_is_back_ = Clock::now() + kAway;
      lock.unlock();
      if (callbacks) deliver(std::move(callbacks), idle);
      lock.lock();
      if (number == 0) first_is_back_ = kPresent;
    }
  }

  static void refuse(std::vector<Queue::Entry> expired, Clock::time_point now) {
    for (Queue::Entry& entry : expired) {
      const auto error = std::make_exception_ptr(
          Error{Errc::deadline, "the time allowed ran out while the image waited for the model"});
      entry.job.callback({}, error, {.queued = now - entry.submitted});
    }
  }

  [[nodiscard]] Matrix embed_alone(std::span<const Image> images) {
    const Seats::Seat seat{seats_};
    const Crew::CoreInUse in_use{cores()};
    return embedder_->embed_alone(images);
  }

  // Returns what tells the senders.
  [[nodiscard]] std::function<void()> compute(std::vector<Queue::Entry> entries, Clock::time_point start,
                                              bool on_all_threads) {
    Matrix embeddings;
    std::exception_ptr error;
    try {
      const auto images = images_of(entries);
      embeddings = on_all_threads ? embedder_->embed(images) : embed_alone(images);
    } catch (...) {
      error = std::current_exception();
    }
    const Clock::duration run = Clock::now() - start;
    return [start, run, error, entries = std::move(entries), embeddings = std::move(embeddings)] {
      for (std::size_t i = 0; i < entries.size(); ++i) {
        const Timing timing{.queued = start - entries[i].submitted, .run = run, .batch = entries.size()};
        std::vector<float> embedding;
        if (!error) embedding.assign(embeddings.row(i).begin(), embeddings.row(i).end());
        entries[i].job.callback(std::move(embedding), error, timing);
      }
    };
  }

  void deliver(std::function<void()> callbacks, bool idle) const {
    if (deliver_) return deliver_(std::move(callbacks), idle);
    callbacks();
  }

  const std::unique_ptr<Embedder> embedder_;
  const Deliver deliver_;
  const std::size_t preferred_;
  const std::size_t team_;
  Seats seats_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Queue queue_;                                 // guarded by mutex_
  std::size_t busy_ = 0;                        // threads that compute; guarded by mutex_
  std::size_t computed_ = 0;                    // images in them; guarded by mutex_
  std::size_t requests_ = 0;                    // that have begun and not ended; guarded by mutex_
  Clock::time_point last_answer_;               // guarded by mutex_
  Clock::time_point first_is_back_ = kPresent;  // by then, from what it delivers; guarded by mutex_
  Clock::duration last_run_{};                  // guarded by mutex_
  bool stopping_ = false;                       // guarded by mutex_
  std::vector<std::thread> threads_;            // last: they use all of the above
};

Batcher::Batcher(std::unique_ptr<Embedder> embedder, std::size_t max_queue, Deliver deliver)
    : impl_{std::make_unique<Impl>(std::move(embedder), max_queue, std::move(deliver))} {}
Batcher::~Batcher() = default;

void Batcher::submit(Image image, Clock::time_point deadline, Callback callback) {
  impl_->submit(std::move(image), deadline, std::move(callback));
}

void Batcher::begin_request() {
  impl_->begin_request();
}

void Batcher::end_request() {
  impl_->end_request();
}

std::size_t Batcher::queued() const {
  return impl_->queued();
}

}  // namespace driftd::embed
