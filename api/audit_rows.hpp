// images.csv of an audit: one row an image, in the order of the sources (RFC 4180, UTF-8 where the paths are).
//
// Written block by block and made durable after each, so that a run can be continued after a crash. A number is written
// with the fewest digits that give it back exactly, so a report made from the file equals one made from the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "drift/report.hpp"
#include "embed/properties.hpp"

namespace driftd::api {

struct AuditImage {
  drift::AuditRow row;
  embed::Properties properties;  // all 0 when status is not "ok"
};

// "path,status,reason,...\n", the first line of the file.
[[nodiscard]] std::string audit_header();
[[nodiscard]] std::string audit_line(const AuditImage& image);

// Reads rows one by one in constant memory and returns the bytes up to the end of the last row used. Stops before a
// last row that was cut off, or as soon as `use` returns false. Throws Error: not_found, corrupt (naming the row) for
// anything that audit_line() cannot have written.
std::uintmax_t read_audit_rows(const std::filesystem::path& path, const std::function<bool(AuditImage&&)>& use);

// Appends to a file and makes it durable. Confined to one thread. Throws Error{internal} with the system's reason (a
// full disk).
class AuditFile {
 public:
  // Keeps the first `keep` bytes of path, which is created when it does not exist. Throws Error{conflict} while another
  // AuditFile has it open, in this process or another.
  AuditFile(const std::filesystem::path& path, std::uintmax_t keep);
  ~AuditFile();
  AuditFile(const AuditFile&) = delete;
  AuditFile& operator=(const AuditFile&) = delete;

  void append(std::string_view bytes);  // durable on return

 private:
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace driftd::api
