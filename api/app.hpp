// The service: builds every part in dependency order, runs until SIGTERM or SIGINT, and takes them down in reverse.
//
// Threads: the caller's (HTTP), one for the admin listener, one for the store and the webhooks, the workers, the
// model's.
#pragma once

#include <ostream>

#include "api/config.hpp"

namespace driftd::api {

// Prints one line with both addresses to `out` when ready. Returns the process's exit code: 0 after a graceful stop.
// Throws Error when a part cannot be built; the text says which and what to do.
int serve(const Config& config, std::ostream& out);

}  // namespace driftd::api
