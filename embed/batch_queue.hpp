// The waiting line of a Batcher: bounded, first in first out, and it knows which jobs came too late. It has no thread
// and no clock; time is an argument.
//
// Confined to one thread (the Batcher guards it).
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

namespace driftd::embed {

template <class Job>
class BatchQueue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Entry {
    TimePoint submitted;
    TimePoint deadline;
    Job job;
  };
  struct Batch {
    std::vector<Entry> ready;    // to run, oldest first
    std::vector<Entry> expired;  // their deadline has passed
  };

  explicit BatchQueue(std::size_t capacity) : capacity_{capacity} {}

  // Takes the entry in, or leaves it untouched and returns false when the queue is full.
  [[nodiscard]] bool push(Entry&& entry) {
    if (entries_.size() >= capacity_) return false;
    entries_.push_back(std::move(entry));
    return true;
  }

  // Removes the oldest entries: up to max that can still be run at now, and every expired one met on the way.
  [[nodiscard]] Batch pop(TimePoint now, std::size_t max) {
    Batch batch;
    while (!entries_.empty() && batch.ready.size() < max) {
      Entry& oldest = entries_.front();
      auto& to = oldest.deadline <= now ? batch.expired : batch.ready;
      to.push_back(std::move(oldest));
      entries_.pop_front();
    }
    return batch;
  }

  // When the oldest entry came; there is one.
  [[nodiscard]] TimePoint oldest() const { return entries_.front().submitted; }
  // The same of the newest.
  [[nodiscard]] TimePoint newest() const { return entries_.back().submitted; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  const std::size_t capacity_;
  std::deque<Entry> entries_;  // oldest first
};

}  // namespace driftd::embed
