#include "embed/batcher.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <unistd.h>

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

// Images that were taken from the queue at once. Threads compute pieces of it; all are answered together.
struct Run {
  struct Answer {
    std::vector<float> embedding;
    std::exception_ptr error;
  };

  Run(std::vector<Queue::Entry> jobs, Batcher::Clock::time_point now)
      : entries{std::move(jobs)}, answers(entries.size()), start{now}, left{entries.size()} {
    // Taken out of the entries, so that they do not stay in memory while the model runs.
    for (Queue::Entry& entry : entries) images.push_back(std::move(entry.job.image));
  }

  std::vector<Queue::Entry> entries;
  std::vector<Image> images;
  std::vector<Answer> answers;
  Batcher::Clock::time_point start;
  bool lone = false;  // one image for all threads
  std::size_t left;   // images to compute; guarded by the batcher's mutex
};

// Images [first, first + count) of a run, for one thread.
struct Piece {
  std::shared_ptr<Run> run;
  std::size_t first = 0;
  std::size_t count = 0;
};

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
    dealt_.notify_all();
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

  // One of the threads that wait decides when a run begins; the others sleep until there is a piece for them. It is the
  // first where it can: lone images are always that thread's, so that OpenMP keeps one team. With one for each thread
  // it would take them for too many, and put a member to sleep whenever it has to wait for another.
  [[nodiscard]] bool leads(std::size_t number) {
    if (leader_ && leader_ != number && number == 0) changed_.notify_all();  // it follows from now on
    if (!leader_ || number == 0) leader_ = number;
    return leader_ == number;
  }

  // Until then an image that came alone waits for the first thread; but not for ever: what that one delivers may wait
  // for a disk.
  [[nodiscard]] bool waits_for_first(std::size_t number, Clock::time_point now) const {
    return number != 0 && busy_ == 0 && now < first_is_back_;
  }

  [[nodiscard]] BatchTurn turn(Clock::time_point free_since) const {
    return {.threads = team_,
            .busy = busy_,
            .waiting = queue_.size(),
            .elsewhere = elsewhere(),
            .preferred = preferred_,
            .free_since = free_since,
            .oldest = queue_.oldest(),
            .newest = queue_.newest(),
            .run_end = last_start_ + last_run_,
            .last_answer = last_answer_,
            .last_run = last_run_,
            .last_count = last_count_};
  }

  // Until there is a piece for this thread, or a run for it to begin, or nothing more will come; then false.
  [[nodiscard]] bool wait(std::unique_lock<std::mutex>& lock, std::size_t number) {
    const Clock::time_point free_since = Clock::now();
    while (pieces_.empty() && !stopping_) {
      if (!leads(number)) {
        const auto self = asleep_.insert(asleep_.end(), gettid());
        dealt_.wait(lock);
        asleep_.erase(self);
        if (pieces_.empty()) seats_.anywhere();  // kept off for nothing
        continue;
      }
      const Clock::time_point now = Clock::now();
      auto start = kPresent;
      if (queue_.size() > 0) start = waits_for_first(number, now) ? first_is_back_ : start_by(turn(free_since));
      if (start <= now) break;
      if (start == kPresent)
        changed_.wait(lock);
      else
        changed_.wait_until(lock, start);
    }
    if (leader_ == number) leader_.reset();
    return !pieces_.empty() || queue_.size() > 0;
  }

  void work(std::size_t number) {
    for (std::unique_lock lock{mutex_}; wait(lock, number);) {
      const Clock::time_point now = Clock::now();
      std::vector<Queue::Entry> expired;
      if (pieces_.empty()) expired = begin_run(now, number);
      const Piece piece = next_piece();
      std::optional<Seats::Seat> seat;
      if (piece.run && !piece.run->lone) seat.emplace(seats_);
      if (!pieces_.empty())
        for (const pid_t thread : asleep_) seats_.keep_off(thread);
      dealt_.notify_all();
      lock.unlock();
      refuse(std::move(expired), now);
      if (piece.run) compute(piece);
      seat.reset();
      lock.lock();
      if (piece.run) end_piece(lock, piece, number);
    }
  }

  // Takes images from the queue and cuts them into pieces. Returns those that came too late.
  [[nodiscard]] std::vector<Queue::Entry> begin_run(Clock::time_point now, std::size_t number) {
    const BatchTurn mine = turn(now);
    const bool lone = number == 0 && mine.waiting == 1 && busy_ == 0 && mine.elsewhere == 0;
    Queue::Batch batch = queue_.pop(now, run_size(mine));
    const std::size_t count = batch.ready.size();
    if (count == 0) return std::move(batch.expired);
    computed_ += count;
    last_start_ = now;
    const auto run = std::make_shared<Run>(std::move(batch.ready), now);
    run->lone = lone;
    const std::size_t size = piece_size(mine, count);
    for (std::size_t first = 0; first < count; first += size)
      pieces_.push_back({run, first, std::min(size, count - first)});
    return std::move(batch.expired);
  }

  // Without a run where there is none.
  [[nodiscard]] Piece next_piece() {
    if (pieces_.empty()) return {};
    ++busy_;
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    return piece;
  }

  // Before the answers are out: who gets one may ask again while this thread is put aside, and is not to find it busy.
  void end_piece(std::unique_lock<std::mutex>& lock, const Piece& piece, std::size_t number) {
    --busy_;
    piece.run->left -= piece.count;
    if (piece.run->left > 0) return;
    computed_ -= piece.run->entries.size();
    last_run_ = Clock::now() - piece.run->start;
    last_count_ = piece.run->entries.size() + queue_.size();
    const bool idle = queue_.size() == 0 && pieces_.empty();
    if (!idle) changed_.notify_all();
    if (number == 0) first_is_back_ = Clock::now() + kAway;
    auto callbacks = [run = piece.run, time = last_run_] { answer(*run, time); };
    lock.unlock();
    deliver(std::move(callbacks), idle);
    lock.lock();
    if (number == 0) first_is_back_ = kPresent;
  }

  static void refuse(std::vector<Queue::Entry> expired, Clock::time_point now) {
    for (Queue::Entry& entry : expired) {
      const auto error = std::make_exception_ptr(
          Error{Errc::deadline, "the time allowed ran out while the image waited for the model"});
      entry.job.callback({}, error, {.queued = now - entry.submitted});
    }
  }

  [[nodiscard]] Matrix embed_together(std::span<const Image> images) {
    seats_.anywhere();
    return embedder_->embed(images);
  }

  [[nodiscard]] Matrix embed_alone(std::span<const Image> images) {
    const Crew::CoreInUse in_use{cores()};
    return embedder_->embed_alone(images);
  }

  void compute(const Piece& piece) {
    const std::span images = std::span{piece.run->images}.subspan(piece.first, piece.count);
    const std::span answers = std::span{piece.run->answers}.subspan(piece.first, piece.count);
    try {
      const Matrix embeddings = piece.run->lone ? embed_together(images) : embed_alone(images);
      for (std::size_t i = 0; i < piece.count; ++i)
        answers[i].embedding.assign(embeddings.row(i).begin(), embeddings.row(i).end());
    } catch (...) {
      for (Run::Answer& one : answers) one = {{}, std::current_exception()};
    }
  }

  static void answer(Run& run, Clock::duration time) {
    for (std::size_t i = 0; i < run.entries.size(); ++i) {
      const Queue::Entry& entry = run.entries[i];
      entry.job.callback(std::move(run.answers[i].embedding), run.answers[i].error,
                         {.queued = run.start - entry.submitted, .run = time, .batch = run.entries.size()});
    }
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
  std::condition_variable changed_;             // what decides when a run begins
  std::condition_variable dealt_;               // there are pieces, or nobody leads
  Queue queue_;                                 // guarded by mutex_
  std::deque<Piece> pieces_;                    // of runs that have begun, at most one; guarded by mutex_
  std::optional<std::size_t> leader_;           // guarded by mutex_
  std::list<pid_t> asleep_;                     // threads that wait for pieces; guarded by mutex_
  std::size_t busy_ = 0;                        // threads that compute; guarded by mutex_
  std::size_t computed_ = 0;                    // images in runs; guarded by mutex_
  std::size_t requests_ = 0;                    // that have begun and not ended; guarded by mutex_
  Clock::time_point last_answer_;               // guarded by mutex_
  Clock::time_point first_is_back_ = kPresent;  // by then, from what it delivers; guarded by mutex_
  Clock::time_point last_start_;                // of a run; guarded by mutex_
  std::size_t last_count_ = 0;                  // images in it and behind it; guarded by mutex_
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
