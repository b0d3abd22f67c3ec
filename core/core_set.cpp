#include "core/core_set.hpp"

namespace driftd {

CoreSet CoreSet::of_caller() {
  CoreSet all;
  return ::sched_getaffinity(0, sizeof(all.cores_), &all.cores_) == 0 ? all : CoreSet{};
}

CoreSet CoreSet::only(int core) {
  CoreSet one;
  one.add(core);
  return one;
}

CoreSet CoreSet::without(const CoreSet& others) const {
  CoreSet rest;
  CPU_AND(&rest.cores_, &cores_, &others.cores_);
  CPU_XOR(&rest.cores_, &cores_, &rest.cores_);
  return rest;
}

bool CoreSet::confine(pid_t thread) const {
  return !empty() && ::sched_setaffinity(thread, sizeof(cores_), &cores_) == 0;
}

}  // namespace driftd
