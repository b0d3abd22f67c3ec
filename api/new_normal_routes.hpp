// POST /v1/alerts/{id}/accept: what an alert is about becomes the new normal.
//
// Handlers keep references to what they are given, which must outlive the router, and answer on the pool.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "api/alert_service.hpp"
#include "api/new_normal.hpp"
#include "api/router.hpp"

namespace driftd::api {

void add_new_normal_routes(Router& router, boost::asio::thread_pool& pool, const drift::Monitor& monitor,
                           AlertService& alerts, ReviewDesk desk);

}  // namespace driftd::api
