#include "api/progress.hpp"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace driftd::api {

using namespace std::chrono_literals;

Progress::Progress(std::string what, std::size_t total, bool quiet)
    : what_{std::move(what)}, total_{total}, quiet_{quiet}, terminal_{::isatty(STDERR_FILENO) == 1} {}

Progress::~Progress() {
  if (quiet_) return;
  show(Clock::now());
  if (terminal_) std::fputc('\n', stderr);
}

void Progress::update(std::size_t done) {
  done_ = done;
  const auto now = Clock::now();
  if (quiet_ || now - shown_ < (terminal_ ? Clock::duration{100ms} : Clock::duration{10s})) return;
  show(now);
}

void Progress::show(Clock::time_point now) {
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done_) / rate : 0;
  const int filled = total_ > 0 ? static_cast<int>(24 * done_ / total_) : 24;
  if (terminal_) {
    std::fprintf(stderr, "\r%s [%.*s%*s] %zu/%zu  %.0f/s  %.0f s left \033[K", what_.c_str(), filled,
                 "########################", 24 - filled, "", done_, total_, rate, left);
  } else {
    std::fprintf(stderr, "%s: %zu of %zu, %.0f/s, %.0f s, %.0f s left\n", what_.c_str(), done_, total_, rate, seconds,
                 left);
  }
}

}  // namespace driftd::api
