// Runs a configured program to its end, within bounds. There is no shell: arguments are what they are.
//
// Thread-safe. The call blocks until the program has ended.
#pragma once

#include <chrono>
#include <stop_token>
#include <string>
#include <vector>

namespace driftd::api {

struct CommandResult {
  int exit_code = 0;   // 128 + n when signal n ended it, 127 when it cannot be run
  std::string output;  // the last 4 KiB of standard output and standard error
  bool timed_out = false;
};

// The program (looked up in PATH when its name has no slash) gets `input` on standard input, the environment of this
// process and no other open file, and is the leader of a process group of its own. After `timeout`, or when a stop is
// requested, the group gets SIGTERM, and SIGKILL 5 s later. Processes that it leaves behind live on. Throws Error
// internal when the system is out of processes, files or memory.
[[nodiscard]] CommandResult run_command(const std::vector<std::string>& command, const std::string& input,
                                        std::chrono::milliseconds timeout, const std::stop_token& stop);

}  // namespace driftd::api
