#include "api/set_aside.hpp"

#include "api/log.hpp"
#include "api/time.hpp"

namespace driftd::api {

void set_aside(const std::filesystem::path& file, const std::string& why) {
  namespace fs = std::filesystem;
  const auto away = file.string() + ".damaged-" + std::to_string(now_ms());
  for (const auto* part : {"", "-wal", "-shm"}) {
    std::error_code error;
    if (!fs::exists(file.string() + part, error)) continue;
    fs::rename(file.string() + part, away + part, error);
    if (error) throw Error{Errc::internal, file.string() + " is damaged and cannot be renamed: " + error.message()};
  }
  log(LogLevel::error, "a damaged database was set aside; the service begins with a fresh one",
      {{"file", file.string()}, {"now_at", away}, {"reason", why}});
}

}  // namespace driftd::api
