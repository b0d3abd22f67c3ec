#include "embed/seats.hpp"

#include <sched.h>

namespace driftd::embed {
namespace {

// The core that the calling thread is on, once it has left those that are taken; none where it cannot.
std::optional<int> leave(const CoreSet& taken, const CoreSet& allowed) {
  const int here = sched_getcpu();
  if (here < 0) return std::nullopt;
  if (!taken.contains(here)) return here;
  if (!allowed.without(taken).confine()) return std::nullopt;
  return sched_getcpu();
}

}  // namespace

Seats::Seat::Seat(Seats& seats) : seats_{seats} {
  if (seats_.allowed_.empty()) return;
  seats_.taken_.with([&](CoreSet& taken) {
    core_ = leave(taken, seats_.allowed_);
    if (core_) taken.add(*core_);
  });
  if (core_)
    CoreSet::only(*core_).confine();
  else
    seats_.anywhere();
}

Seats::Seat::~Seat() {
  if (!core_) return;
  seats_.taken_.with([&](CoreSet& taken) { taken.remove(*core_); });
  seats_.anywhere();
}

void Seats::keep_off(pid_t thread) {
  taken_.with([&](const CoreSet& taken) { return allowed_.without(taken); }).confine(thread);
}

void Seats::anywhere() const {
  allowed_.confine();
}

}  // namespace driftd::embed
