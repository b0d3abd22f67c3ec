// A pool of threads with a name (core/thread.hpp).
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <string>

#include "core/thread.hpp"

namespace driftd::api {

[[nodiscard]] inline boost::asio::thread_pool named_pool(std::size_t threads, const std::string& name) {
  const NewThreadsNamed named{name};
  return boost::asio::thread_pool{threads};
}

}  // namespace driftd::api
