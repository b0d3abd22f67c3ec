// Tells a person how far long work has come: a bar with rate and time left on a terminal, a line every 10 s elsewhere,
// nothing when quiet. Writes to stderr. Confined to one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace driftd::api {

class Progress {
 public:
  Progress(std::string what, std::size_t total, bool quiet);
  ~Progress();  // ends the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::size_t done);

 private:
  using Clock = std::chrono::steady_clock;
  void show(Clock::time_point now);

  const std::string what_;
  const std::size_t total_;
  const bool quiet_;
  const bool terminal_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  std::size_t done_ = 0;
};

}  // namespace driftd::api
