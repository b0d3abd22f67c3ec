// From a request's body to an embedding: decoding on a pool of workers, the model behind one batcher.
//
// Thread-safe. Bounded: more than max_pending requests in the house are refused at once (Error{overloaded}).
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "api/http.hpp"
#include "api/image_body.hpp"
#include "api/metrics.hpp"
#include "api/worker_pool.hpp"
#include "embed/batcher.hpp"
#include "embed/bundle.hpp"
#include "embed/properties.hpp"

namespace driftd::api {

struct EmbeddedBody {
  std::vector<float> vector;
  std::optional<embed::Properties> properties;  // of an image; a ready vector has none
  double decode_s = 0;
  double queue_s = 0;
  double embed_s = 0;
};

class EmbeddingService {
 public:
  struct Options {
    std::size_t max_image_bytes = 16 << 20;
    std::size_t max_pending = 256;
    std::size_t workers = 2;
  };

  // Keeps references to bundle and metrics, which must outlive it.
  EmbeddingService(const embed::Bundle& bundle, std::unique_ptr<embed::Embedder> embedder, Metrics& metrics,
                   Options options);
  ~EmbeddingService();  // waits for the work under way

  // Counts the request in, and runs the handler on a worker: it may decode, search, and wait for the disk.
  [[nodiscard]] boost::asio::awaitable<Response> on_worker(Handler handler, Request request);

  // On a worker. The second form is for a body that has been read already. Throws what read_image_body(), prepare() and
  // async_embed() throw.
  [[nodiscard]] boost::asio::awaitable<EmbeddedBody> embed(const Request& request);
  [[nodiscard]] boost::asio::awaitable<EmbeddedBody> embed(std::variant<ImageBytes, Vector> body,
                                                           std::chrono::steady_clock::time_point deadline);

  [[nodiscard]] const embed::Bundle& bundle() const { return bundle_; }
  [[nodiscard]] std::size_t max_image_bytes() const { return options_.max_image_bytes; }
  [[nodiscard]] std::size_t queued() const { return batcher_.queued(); }

 private:
  void hand_on(std::function<void()> callbacks, bool idle);

  // Constant after construction
  const embed::Bundle& bundle_;
  const Options options_;

  // Thread-safe by themselves
  Metrics& metrics_;
  std::atomic<std::size_t> pending_{0};
  WorkerPool workers_;  // outlives the batcher, whose threads hand answers to it
  embed::Batcher batcher_;
};

}  // namespace driftd::api
