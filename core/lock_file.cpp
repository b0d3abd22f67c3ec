#include "core/lock_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "core/error.hpp"

namespace driftd {
namespace {

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const auto n = ::pread(fd, text.data(), text.size() - 1, 0);
  return n > 0 ? "process " + std::string{text.data(), std::string{text.data()}.find('\n')} : "another process";
}

}  // namespace

LockFile::LockFile(const std::filesystem::path& path) : fd_{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)} {
  if (fd_ < 0) {
    if (errno == EACCES || errno == EROFS || errno == EPERM) {
      throw Error{Errc::conflict, path.parent_path().string() + " cannot be written by this user or on this disk (" +
                                      std::generic_category().message(errno) + ")"};
    }
    throw Error{Errc::internal, "cannot open " + path.string() + ": " + std::generic_category().message(errno)};
  }
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const auto holder = holder_of(fd_);
    ::close(std::exchange(fd_, -1));
    throw Error{Errc::conflict,
                path.parent_path().string() + " is in use by " + holder + ": ask it to make the change, or stop it"};
  }
  const auto text = std::to_string(::getpid()) + "\n";
  // Only a courtesy to people: the lock counts, not the text.
  if (::ftruncate(fd_, 0) == 0) (void)!::pwrite(fd_, text.data(), text.size(), 0);
}

LockFile::~LockFile() {
  if (fd_ >= 0) ::close(fd_);
}

LockFile::LockFile(LockFile&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}

}  // namespace driftd
