#include "core/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "core/error.hpp"

namespace driftd {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what, const fs::path& path) {
  const auto reason = std::generic_category().message(errno);
  throw Error{errno == ENOENT ? Errc::not_found : Errc::internal, what + " " + path.string() + ": " + reason};
}

// An open file descriptor; closing errors after a successful fsync carry no information, so the destructor ignores
// them.
class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags) : path_{path}, fd_{::open(path.c_str(), flags | O_CLOEXEC, 0644)} {
    if (fd_ < 0) fail("cannot open", path);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot write", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void sync() {
    if (::fsync(fd_) != 0) fail("cannot sync", path_);
  }

 private:
  fs::path path_;
  int fd_;
};

void sync_path(const fs::path& path) {
  Descriptor{path, O_RDONLY}.sync();
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path{"."};
}

template <class Container>
Container read_whole(const fs::path& path, std::uintmax_t limit) {
  std::ifstream in{path, std::ios::binary};
  if (!in || fs::is_directory(path)) throw Error{Errc::not_found, "cannot open " + path.string()};
  in.seekg(0, std::ios::end);
  const auto size = static_cast<std::uintmax_t>(in.tellg());
  if (size > limit) {
    throw Error{Errc::too_large,
                path.string() + " has " + std::to_string(size) + " bytes, over the limit of " + std::to_string(limit)};
  }
  in.seekg(0);
  Container bytes(static_cast<std::size_t>(size), typename Container::value_type{});
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (static_cast<std::uintmax_t>(in.gcount()) != size) throw Error{Errc::internal, "cannot read " + path.string()};
  return bytes;
}

}  // namespace

std::vector<std::uint8_t> read_file(const fs::path& path, std::uintmax_t limit) {
  return read_whole<std::vector<std::uint8_t>>(path, limit);
}

void read_ahead(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return;
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
  ::close(fd);
}

std::string read_text(const fs::path& path, std::uintmax_t limit) {
  return read_whole<std::string>(path, limit);
}

void write_file_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  auto temporary = path;
  temporary += ".tmp";
  {
    Descriptor file{temporary, O_WRONLY | O_CREAT | O_TRUNC};
    file.write(bytes);
    file.sync();
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail("cannot rename to", path);
  sync_path(parent_of(path));
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span{text.data(), text.size()}));
}

void publish_directory(const fs::path& staging, const fs::path& final_name) {
  for (const auto& entry : fs::recursive_directory_iterator{staging}) sync_path(entry.path());
  sync_path(staging);
  if (fs::exists(final_name)) throw Error{Errc::conflict, final_name.string() + " exists already"};
  if (::rename(staging.c_str(), final_name.c_str()) != 0) fail("cannot rename to", final_name);
  sync_path(parent_of(final_name));
}

}  // namespace driftd
