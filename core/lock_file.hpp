// The exclusive right to write to a directory, held as long as the object lives, by an advisory lock (flock) on a file
// in it.
//
// The system drops the lock when the process ends, however it ends. Movable; confined to its owner.
#pragma once

#include <filesystem>

namespace driftd {

class LockFile {
 public:
  // Creates `path` when missing and writes the process's number into it, for people to read. Throws Error: conflict
  // when another process (or another LockFile of this one) holds it, naming that process, and when the directory is not
  // to be written by this one; internal when the file cannot be opened otherwise.
  explicit LockFile(const std::filesystem::path& path);
  ~LockFile();
  LockFile(LockFile&& other) noexcept;
  LockFile& operator=(LockFile&&) = delete;

 private:
  int fd_;
};

}  // namespace driftd
