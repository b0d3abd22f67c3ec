#include "api/http.hpp"

#include <algorithm>

namespace driftd::api {

std::optional<std::string_view> Request::header(std::string_view lower_case_name) const {
  const auto found = std::ranges::find(headers, lower_case_name, &std::pair<std::string, std::string>::first);
  if (found == headers.end()) return std::nullopt;
  return found->second;
}

}  // namespace driftd::api
