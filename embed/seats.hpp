// Keeps threads that compute for a while on different cores.
//
// Linux places a thread when it wakes, and not always well: where the one that woke it is about to leave its core, the
// thread may be put on the core of another that computes, and both share it for 8 to 20 ms beside an idle one. So a
// thread that sits down stays on its core until it gets up, or goes to one where nobody else sits.
//
// Thread-safe. Costs two system calls; where they are refused, or all cores are taken, the thread stays as it was.
#pragma once

#include <optional>

#include <sched.h>

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
    cpu_set_t before_{};  // where the thread might run
  };

 private:
  Guarded<cpu_set_t> taken_;
};

}  // namespace driftd::embed
