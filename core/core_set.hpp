// A set of processor cores, and which threads keep to it.
//
// A value; threads may share a constant one. Nothing throws: where the system refuses, and a sandbox may, threads run
// where they did. Cost: of_caller() and confine() a system call each.
#pragma once

#include <cstddef>

#include <sched.h>
#include <sys/types.h>

namespace driftd {

class CoreSet {
 public:
  CoreSet() = default;  // empty

  [[nodiscard]] static CoreSet of_caller();  // where the calling thread may run; empty where the system does not tell
  [[nodiscard]] static CoreSet only(int core);

  void add(int core) { CPU_SET(core, &cores_); }
  void remove(int core) { CPU_CLR(core, &cores_); }
  [[nodiscard]] bool contains(int core) const { return CPU_ISSET(core, &cores_); }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(CPU_COUNT(&cores_)); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] CoreSet without(const CoreSet& others) const;
  bool operator==(const CoreSet& other) const { return CPU_EQUAL(&cores_, &other.cores_); }

  // From now on a thread, by its number in the system, runs on these alone; 0 is the caller. Whether it does: an empty
  // set confines nobody.
  bool confine(pid_t thread = 0) const;

 private:
  cpu_set_t cores_{};
};

}  // namespace driftd
