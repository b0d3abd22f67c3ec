// Keeps threads that compute for a while on different cores.
//
// Linux places a thread when it wakes, and not always well: where the one that woke it is about to leave its core, the
// thread may be put on the core of another that computes, and both share it for 8 to 20 ms beside an idle one. So a
// thread that sits down stays on its core until it gets up, or goes to one where nobody else sits; and who wakes others
// first sees to it that they do not wake where somebody sits: on a busy machine Linux leaves a thread where it was
// woken, behind the other, until its next tick, 4 ms, finds the idle core.
//
// Thread-safe. A seat costs two system calls, to keep a thread off one; where they are refused, or all cores are taken,
// the thread stays as it was.
#pragma once

#include <optional>

#include <sys/types.h>

#include "core/core_set.hpp"
#include "core/guarded.hpp"

namespace driftd::embed {

class Seats {
 public:
  // The calling thread's, while it lives.
  class Seat {
   public:
    explicit Seat(Seats& seats);
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

   private:
    Seats& seats_;
    std::optional<int> core_;
  };

  // Another thread, asleep: it wakes where nobody sits now, and stays off those cores until it sits down, or gives up
  // that it is kept off.
  void keep_off(pid_t thread);
  void anywhere() const;  // the calling thread

 private:
  const CoreSet allowed_ = CoreSet::of_caller();  // when these seats were made
  Guarded<CoreSet> taken_;
};

}  // namespace driftd::embed
