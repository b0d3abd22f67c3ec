#include "embed/seats.hpp"

namespace driftd::embed {
namespace {

bool stay_within(const cpu_set_t& cores) {
  return sched_setaffinity(0, sizeof(cores), &cores) == 0;
}

// The core that the thread is on, once it has left those that are taken; none where it cannot.
std::optional<int> leave(const cpu_set_t& taken, const cpu_set_t& allowed) {
  const int here = sched_getcpu();
  if (here < 0) return std::nullopt;
  if (!CPU_ISSET(here, &taken)) return here;
  cpu_set_t both;
  CPU_AND(&both, &allowed, &taken);
  cpu_set_t rest;
  CPU_XOR(&rest, &allowed, &both);
  if (CPU_COUNT(&rest) == 0 || !stay_within(rest)) return std::nullopt;
  return sched_getcpu();
}

}  // namespace

Seats::Seat::Seat(Seats& seats) : seats_{seats} {
  if (sched_getaffinity(0, sizeof(before_), &before_) != 0) return;
  seats_.taken_.with([&](cpu_set_t& taken) {
    core_ = leave(taken, before_);
    if (core_) CPU_SET(*core_, &taken);
  });
  if (!core_) return;
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(*core_, &own);
  stay_within(own);
}

Seats::Seat::~Seat() {
  if (!core_) return;
  seats_.taken_.with([&](cpu_set_t& taken) { CPU_CLR(*core_, &taken); });
  stay_within(before_);
}

}  // namespace driftd::embed
