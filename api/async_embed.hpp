// Awaits an embedding from the batcher without holding a thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "embed/batcher.hpp"

namespace driftd::api {

struct AsyncEmbedding {
  std::vector<float> vector;
  embed::Batcher::Timing timing;
};

// Resumes on the caller's executor. Throws what the embedder threw, or Error: overloaded (queue full), deadline.
[[nodiscard]] boost::asio::awaitable<AsyncEmbedding> async_embed(embed::Batcher& batcher, embed::Image image,
                                                                 embed::Batcher::Clock::time_point deadline);

}  // namespace driftd::api
