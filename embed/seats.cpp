#include "embed/seats.hpp"

namespace driftd::embed {
namespace {

constexpr pid_t kCaller = 0;

bool stay_within(const cpu_set_t& cores, pid_t thread = kCaller) {
  return sched_setaffinity(thread, sizeof(cores), &cores) == 0;
}

cpu_set_t without(const cpu_set_t& allowed, const cpu_set_t& taken) {
  cpu_set_t both;
  CPU_AND(&both, &allowed, &taken);
  cpu_set_t rest;
  CPU_XOR(&rest, &allowed, &both);
  return rest;
}

// The core that the thread is on, once it has left those that are taken; none where it cannot.
std::optional<int> leave(const cpu_set_t& taken, const cpu_set_t& allowed) {
  const int here = sched_getcpu();
  if (here < 0) return std::nullopt;
  if (!CPU_ISSET(here, &taken)) return here;
  const cpu_set_t rest = without(allowed, taken);
  if (CPU_COUNT(&rest) == 0 || !stay_within(rest)) return std::nullopt;
  return sched_getcpu();
}

}  // namespace

Seats::Seats() {
  if (sched_getaffinity(kCaller, sizeof(allowed_), &allowed_) != 0) CPU_ZERO(&allowed_);
}

Seats::Seat::Seat(Seats& seats) : seats_{seats} {
  if (CPU_COUNT(&seats_.allowed_) == 0) return;
  seats_.taken_.with([&](cpu_set_t& taken) {
    core_ = leave(taken, seats_.allowed_);
    if (core_) CPU_SET(*core_, &taken);
  });
  if (!core_) {
    seats_.anywhere();
    return;
  }
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(*core_, &own);
  stay_within(own);
}

Seats::Seat::~Seat() {
  if (!core_) return;
  seats_.taken_.with([&](cpu_set_t& taken) { CPU_CLR(*core_, &taken); });
  seats_.anywhere();
}

void Seats::keep_off(pid_t thread) {
  const cpu_set_t free = taken_.with([&](const cpu_set_t& taken) { return without(allowed_, taken); });
  if (CPU_COUNT(&free) > 0) stay_within(free, thread);
}

void Seats::anywhere() const {
  if (CPU_COUNT(&allowed_) > 0) stay_within(allowed_);
}

}  // namespace driftd::embed
