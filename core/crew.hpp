// Threads that help others with their loops: whoever calls run() works itself, helped by those that are free just then.
//
// Thread-safe. A caller waits for the helpers that have begun, never for one that the system has yet to wake: on a busy
// machine an OpenMP team, which meets at a barrier, can take a hundred times the time of one thread. Many callers share
// the helpers, so that threads at work are never more than callers and helpers. Up to eight helpers are woken on other
// cores than the caller's, for a system call each. Owns its threads; the destructor ends them and must not run beside
// run().
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

#include "core/core_set.hpp"

namespace driftd {

class Crew {
 public:
  // name: of the helpers, at most 15 bytes.
  Crew(std::size_t helpers, const std::string& name);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Calls work(0) here and work(1), work(2) and so on, each at most once and up to `helpers`, in helpers, at the same
  // time; returns when all that began have ended. So work() must take its share from what is left, and must not throw.
  void run(std::size_t helpers, const std::function<void(std::size_t)>& work);

  // Calls work(i) once for every i below count, here and in helpers, and throws what the first failing call threw.
  void each(std::size_t count, const std::function<void(std::size_t)>& work);

  [[nodiscard]] std::size_t helpers() const { return threads_.size(); }

  // While it lives, the calling thread keeps a core at other work, and runs have a helper less: one that is put aside
  // in favour of that thread would keep its caller waiting. Must not outlive the crew.
  class CoreInUse {
   public:
    explicit CoreInUse(Crew& crew) : crew_{crew} { ++crew_.in_use_; }
    ~CoreInUse() { --crew_.in_use_; }
    CoreInUse(const CoreInUse&) = delete;
    CoreInUse& operator=(const CoreInUse&) = delete;

   private:
    Crew& crew_;
  };

 private:
  struct Job {
    const std::function<void(std::size_t)>* work;
    std::size_t wanted;  // helpers
    std::size_t begun = 0;
    std::size_t ended = 0;
    std::condition_variable end{};
  };

  void help();
  void keep_off_this_core();

  std::atomic<std::size_t> in_use_{0};
  std::mutex mutex_;
  std::condition_variable change_;
  std::deque<Job*> jobs_;                         // guarded by mutex_, as the jobs are: those that want more helpers
  bool closing_ = false;                          // guarded by mutex_
  std::vector<pid_t> ids_;                        // of helpers; guarded by mutex_
  const CoreSet allowed_ = CoreSet::of_caller();  // where they may run
  std::vector<std::jthread> threads_;             // last: they use all of the above
};

// The one that lends the machine's cores to every search of this process: a helper for each core but one.
[[nodiscard]] Crew& cores();

}  // namespace driftd
