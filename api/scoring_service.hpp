// Scores images for the service: decode and search on a pool of workers, the model behind one batcher, windows in the monitor.
//
// Thread-safe. Bounded: more than max_pending requests in the house are refused at once (Error{overloaded}).
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "api/http.hpp"
#include "api/metrics.hpp"
#include "api/reference.hpp"
#include "drift/monitor.hpp"
#include "embed/batcher.hpp"
#include "embed/bundle.hpp"

namespace driftd::api {

class ScoringService {
 public:
  struct Options {
    ScoreOptions score;
    std::size_t max_image_bytes = 16 << 20;
    std::size_t max_pending = 256;
    std::size_t workers = 2;
  };
  using References = std::map<std::string, std::shared_ptr<const Reference>>;

  // Keeps references to bundle, monitor and metrics, which must outlive it.
  ScoringService(const embed::Bundle& bundle, std::unique_ptr<embed::Embedder> embedder, References references,
                 drift::Monitor& monitor, Metrics& metrics, Options options);

  // POST /v1/score?stream=S&reference=R&k=3
  [[nodiscard]] boost::asio::awaitable<Response> score(Request request);

  [[nodiscard]] const References& references() const { return references_; }
  [[nodiscard]] std::size_t queued() const { return batcher_.queued(); }

 private:
  struct Question;
  [[nodiscard]] boost::asio::awaitable<Response> score_on_worker(Request request);
  [[nodiscard]] Response answer(const Request& request, const Question& question);

  // Constant after construction
  const embed::Bundle& bundle_;
  const References references_;
  const Options options_;

  // Thread-safe by themselves
  drift::Monitor& monitor_;
  Metrics& metrics_;
  std::atomic<std::size_t> pending_{0};
  embed::Batcher batcher_;
  boost::asio::thread_pool workers_;  // last: joined first, while all that its work uses is still there
};

}  // namespace driftd::api
