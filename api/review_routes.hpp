// The routes of the review queue: list, pictures, answers, export.
//
// Handlers keep references to what they are given, which must outlive the router, and answer on the pool.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <string>

#include "api/references.hpp"
#include "api/review_service.hpp"
#include "api/router.hpp"

namespace driftd::api {

// model: of the bundle that serves. url: where people find this service; may be empty.
void add_review_routes(Router& router, boost::asio::thread_pool& pool, ReviewService& review,
                       const References& references, const std::string& model, const std::string& url);

}  // namespace driftd::api
