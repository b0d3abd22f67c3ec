// POST /v1/references/{r}/shadow: tries a version on the newest images.
//
// Handlers keep references to what they are given, which must outlive the router, and answer on the pool.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <boost/json/object.hpp>

#include "api/router.hpp"
#include "api/shadow.hpp"

namespace driftd::api {

void add_shadow_routes(Router& router, boost::asio::thread_pool& pool, Shadow& shadow);

}  // namespace driftd::api
