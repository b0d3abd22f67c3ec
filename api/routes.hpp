// The tables of routes: what version 1 of the API and the admin listener answer.
//
// Handlers keep references to what they are given, which must outlive the router.
#pragma once

#include <string>

#include "api/metrics.hpp"
#include "api/router.hpp"
#include "api/scoring_service.hpp"
#include "core/guarded.hpp"
#include "drift/monitor.hpp"

namespace driftd::api {

// Public listener, scores and streams (alert_routes.hpp has the rest). Bodies of score requests may hold
// max_image_bytes, in base64 and with room for the multipart frame.
void add_public_routes(Router& router, ScoringService& scoring, drift::Monitor& monitor, std::size_t max_image_bytes);

// Why the service is not ready yet; empty once it is. Thread-safe.
using Readiness = Guarded<std::string>;

// /livez, /readyz and /metrics.
void add_admin_routes(Router& router, const Readiness& not_ready_because, const Metrics& metrics);

}  // namespace driftd::api
