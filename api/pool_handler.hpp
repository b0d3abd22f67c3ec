// Handlers that answer on a pool, so that no other request waits for the disk with them.
//
// Thread-safe: a pure function. The pool must outlive the handler.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <functional>

#include "api/http.hpp"

namespace driftd::api {

[[nodiscard]] Handler on_pool(boost::asio::thread_pool& pool, std::function<Response(const Request&)> answer);

}  // namespace driftd::api
