// The pages that a person opens in a browser: the dashboard at /, the reference of the API at /docs, and /openapi.json.
//
// The files of api/web are part of the binary: nothing is read from disk, nothing is loaded from elsewhere. Every
// answer carries a Content-Security-Policy that allows only this service's own files. Thread-safe: the handlers share
// constants.
#pragma once

#include "api/router.hpp"

namespace driftd::api {

void add_web_routes(Router& router);

}  // namespace driftd::api
