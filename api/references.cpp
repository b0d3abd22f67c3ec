#include "api/references.hpp"

#include "core/error.hpp"

namespace driftd::api {

LiveReference& reference_named(const References& references, const std::string& name) {
  const auto found = references.find(name);
  if (found == references.end())
    throw Error{Errc::not_found, "there is no such reference; GET /v1/references lists them"};
  return *found->second;
}

LiveReference& writable_reference(const References& references, const std::string& name) {
  auto& live = reference_named(references, name);
  if (live.read_only().empty()) return live;
  throw Error{Errc::conflict, std::string{"this reference is served for reading only: "} + why_read_only(live)};
}

const char* why_read_only(const LiveReference& live) {
  return live.collection().fault().empty()
             ? "another process writes to it, its directory is not writable, or it is a single segment: see the log"
             : "its files are damaged: see the log";
}

std::string name_of_reference(const std::string& id) {
  return id.substr(0, id.rfind('@'));
}

}  // namespace driftd::api
