// How the system knows a thread: its name in `top -H`, debuggers and profiles, and its claim to the cores.
//
// All act on the calling thread; none fails in a way that matters. A thread begins with its creator's name.
#pragma once

#include <string>

namespace driftd {

void name_thread(const std::string& name);  // cut after 15 bytes

// Others get ten times as much of a busy core. For work that nobody waits for.
void lower_thread_priority();

// Names the threads that are begun while it lives: those of a pool that somebody else's code begins.
class NewThreadsNamed {
 public:
  explicit NewThreadsNamed(const std::string& name);
  ~NewThreadsNamed();
  NewThreadsNamed(const NewThreadsNamed&) = delete;
  NewThreadsNamed& operator=(const NewThreadsNamed&) = delete;

 private:
  std::string own_;
};

}  // namespace driftd
