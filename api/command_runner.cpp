#include "api/command_runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "core/error.hpp"

namespace driftd::api {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::size_t kMaxOutput = 4096;
constexpr auto kGrace = 5s;

class File {
 public:
  File(int descriptor, const char* what) : descriptor_{descriptor} {
    if (descriptor < 0)
      throw Error{Errc::internal, std::string{"a command cannot be run: "} + what + ": " + std::strerror(errno)};
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// A file in memory: the program may read its input when it likes, or never.
void fill(const File& file, const std::string& text) {
  for (std::size_t written = 0; written < text.size();) {
    const auto n = ::write(file.get(), text.data() + written, text.size() - written);
    if (n < 0) throw Error{Errc::internal, std::string{"a command cannot be run: its input: "} + std::strerror(errno)};
    written += static_cast<std::size_t>(n);
  }
  ::lseek(file.get(), 0, SEEK_SET);
}

// The process id, or minus the error.
pid_t spawn(const std::vector<std::string>& command, int input, int output) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  std::vector<char*> arguments;
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error == 0 ? pid : -error;
}

// Appends what there is to read now, and keeps the end. False at the end of the file.
bool drain(int descriptor, std::string& output) {
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto n = ::read(descriptor, buffer.data(), buffer.size());
    if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
    output.append(buffer.data(), static_cast<std::size_t>(n));
    if (output.size() > kMaxOutput) output.erase(0, output.size() - kMaxOutput);
  }
}

int exit_code_of(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& command, const std::string& input,
                          std::chrono::milliseconds timeout, const std::stop_token& stop) {
  const File in{::memfd_create("command-input", MFD_CLOEXEC), "memfd"};
  fill(in, input);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) < 0) ends = {-1, -1};
  const File out{ends[0], "pipe"};
  CommandResult result;
  pid_t pid = 0;
  {
    const File into{ends[1], "pipe"};
    ::fcntl(into.get(), F_SETFL, 0);  // the program's end blocks, as programs expect
    pid = spawn(command, in.get(), into.get());
  }
  if (pid < 0) return {127, command.front() + ": " + std::strerror(-pid), false};

  // By number: the header of glibc 2.36 declares pidfd_open() for C only.
  const File process{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), "pidfd"};
  const auto deadline = Clock::now() + timeout;
  Clock::time_point killed{};  // when SIGTERM was sent
  bool open = true;
  for (;;) {
    std::array<pollfd, 2> wanted{{{process.get(), POLLIN, 0}, {open ? out.get() : -1, POLLIN, 0}}};
    ::poll(wanted.data(), wanted.size(), 100);
    open = open && drain(out.get(), result.output);
    if (wanted[0].revents != 0) break;
    const auto now = Clock::now();
    if (killed == Clock::time_point{} && (now >= deadline || stop.stop_requested())) {
      result.timed_out = now >= deadline;
      killed = now;
      ::kill(-pid, SIGTERM);
    } else if (killed != Clock::time_point{} && now >= killed + kGrace) {
      ::kill(-pid, SIGKILL);
    }
  }
  if (open) (void)drain(out.get(), result.output);
  result.exit_code = exit_code_of(pid);
  return result;
}

}  // namespace driftd::api
