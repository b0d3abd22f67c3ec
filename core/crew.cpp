#include "core/crew.hpp"

#include <algorithm>
#include <atomic>
#include <exception>

#include <sched.h>
#include <unistd.h>

#include "core/thread.hpp"

namespace driftd {
namespace {

// Helpers that are told one by one where not to wake; among more cores Linux finds an idle one.
constexpr std::size_t kFew = 8;

}  // namespace

Crew::Crew(std::size_t helpers, const std::string& name) {
  const NewThreadsNamed named{name};
  for (std::size_t i = 0; i < helpers; ++i) threads_.emplace_back([this] { help(); });
}

Crew::~Crew() {
  {
    const std::lock_guard lock{mutex_};
    closing_ = true;
  }
  change_.notify_all();
}

void Crew::run(std::size_t helpers, const std::function<void(std::size_t)>& work) {
  helpers = std::min(helpers, threads_.size() - std::min(threads_.size(), in_use_.load()));
  if (helpers == 0) return work(0);
  Job job{&work, helpers};
  {
    const std::lock_guard lock{mutex_};
    jobs_.push_back(&job);
    keep_off_this_core();
  }
  for (std::size_t i = 0; i < helpers; ++i) change_.notify_one();
  work(0);
  std::unique_lock lock{mutex_};
  std::erase(jobs_, &job);
  job.end.wait(lock, [&] { return job.ended == job.begun; });
}

void Crew::each(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex failing;
  std::exception_ptr failure;  // guarded by failing until run() returns
  run(std::min(count, helpers() + 1) - (count > 0 ? 1 : 0), [&](std::size_t) {
    try {
      for (auto i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock{failing};
      if (!failure) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

// On a busy machine Linux may leave a helper where it is woken, behind the caller, though another core is idle, until a
// tick finds out: some milliseconds, the time of a whole search.
void Crew::keep_off_this_core() {
  const int here = sched_getcpu();
  if (here < 0 || threads_.size() > kFew) return;
  const CoreSet others = allowed_.without(CoreSet::only(here));
  for (const pid_t id : ids_) others.confine(id);
}

void Crew::help() {
  std::unique_lock lock{mutex_};
  ids_.push_back(gettid());
  for (;;) {
    change_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
    if (closing_) return;
    auto& job = *jobs_.front();
    const auto number = ++job.begun;
    if (number == job.wanted) jobs_.pop_front();
    lock.unlock();
    (*job.work)(number);
    lock.lock();
    if (++job.ended == job.begun) job.end.notify_one();  // under the lock: the job dies with its caller's wait
  }
}

Crew& cores() {
  static Crew all{std::max(1U, std::thread::hardware_concurrency()) - 1, "search"};
  return all;
}

}  // namespace driftd
