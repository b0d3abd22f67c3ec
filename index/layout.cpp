#include "index/layout.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <system_error>

#include "core/error.hpp"

namespace driftd::index {

namespace fs = std::filesystem;

bool is_single_segment(const fs::path& directory) {
  return !fs::exists(catalog_of(directory)) && fs::exists(directory / "SHA256SUMS");
}

void require_collection(const fs::path& directory) {
  if (fs::exists(catalog_of(directory))) return;
  throw Error{Errc::not_found,
              directory.string() + " is not a reference (it has no catalog.db); build one with: driftd index build"};
}

std::vector<std::int64_t> segments_in(const fs::path& directory) {
  std::vector<std::int64_t> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{directory / "versions", error}) {
    const auto name = entry.path().filename().string();
    if (!name.empty() && name.size() < 18 && name.find_first_not_of("0123456789") == std::string::npos)
      found.push_back(std::stoll(name));
  }
  std::ranges::sort(found, std::greater<>{});
  return found;
}

}  // namespace driftd::index
