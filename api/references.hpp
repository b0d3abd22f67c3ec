// The references that the service holds, by name.
//
// Thread-safe: the table is constant once the service serves, and each LiveReference is thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "api/live_reference.hpp"

namespace driftd::api {

class Metrics;
struct Config;

using References = std::map<std::string, std::unique_ptr<LiveReference>>;

// Opens what the configuration names. Each must bear its name and be able to score as the configuration says; metrics
// tells its state, now and after every change. Keeps references to bundle and metrics. `progress` is told what is being
// loaded, on any thread. Throws Error: invalid_argument (another name, too small for alpha, or without what a setting
// asks for), and what LiveReference's constructor throws.
[[nodiscard]] References load_references(const Config& config, const embed::Bundle& bundle, Metrics& metrics,
                                         const std::function<void(const std::string& what)>& progress);

// Throws Error not_found.
[[nodiscard]] LiveReference& reference_named(const References& references, const std::string& name);
// Throws Error: not_found, conflict where it is served for reading only.
[[nodiscard]] LiveReference& writable_reference(const References& references, const std::string& name);

// Without the paths and process numbers that LiveReference::read_only() gives to the log.
[[nodiscard]] const char* why_read_only(const LiveReference& live);

// "default" of "default@4".
[[nodiscard]] std::string name_of_reference(const std::string& id);

}  // namespace driftd::api
