#include "api/embedding_service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "api/async_embed.hpp"
#include "api/pipeline.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// What a batch leads to, more or less: its callbacks, their search, an answer for each image; and not all that comes
// meanwhile, since images may have come, too.
constexpr std::size_t kHandOn = 16;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One request in the house; the count goes down however the request ends.
class Admission {
 public:
  Admission(std::atomic<std::size_t>& count, std::size_t limit, Metrics& metrics, embed::Batcher& batcher)
      : count_{count}, batcher_{batcher} {
    if (++count_ > limit) {
      --count_;
      metrics.rejected("queue_full");
      throw Error{Errc::overloaded, "too many images are waiting; try again, or send fewer at a time"};
    }
    batcher_.begin_request();
  }
  ~Admission() {
    batcher_.end_request();
    --count_;
  }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

 private:
  std::atomic<std::size_t>& count_;
  embed::Batcher& batcher_;
};

}  // namespace

EmbeddingService::EmbeddingService(const embed::Bundle& bundle, std::unique_ptr<embed::Embedder> embedder,
                                   Metrics& metrics, Options options)
    : bundle_{bundle},
      options_{options},
      metrics_{metrics},
      workers_{options.workers},
      batcher_{std::move(embedder), options.max_pending,
               [this](std::function<void()> callbacks, bool idle) { hand_on(std::move(callbacks), idle); }} {}

// First, while all that the workers use is still there.
EmbeddingService::~EmbeddingService() {
  workers_.join();
}

// To the workers. A thread of the model that has nothing else to do lends them a hand: its core is free, and a worker
// that Linux has woken behind another thread of the model may stay there for milliseconds.
void EmbeddingService::hand_on(std::function<void()> callbacks, bool idle) {
  asio::post(workers_.executor(), std::move(callbacks));
  if (idle) workers_.help(kHandOn);
}

asio::awaitable<Response> EmbeddingService::on_worker(Handler handler, Request request) {
  const Admission admission{pending_, options_.max_pending, metrics_, batcher_};
  co_return co_await asio::co_spawn(workers_.executor(), handler(std::move(request)), asio::use_awaitable);
}

asio::awaitable<EmbeddedBody> EmbeddingService::embed(const Request& request) {
  if (Clock::now() > request.deadline) throw Error{Errc::deadline, "the request waited too long for a worker"};
  co_return co_await embed(read_image_body(request, options_.max_image_bytes), request.deadline);
}

asio::awaitable<EmbeddedBody> EmbeddingService::embed(std::variant<ImageBytes, Vector> body,
                                                      Clock::time_point deadline) {
  EmbeddedBody result;
  if (auto* vector = std::get_if<Vector>(&body)) {
    result.vector = std::move(*vector);
    co_return result;
  }
  const auto start = Clock::now();
  auto prepared = prepare(std::get<ImageBytes>(body).bytes, bundle_.preprocess);
  result.decode_s = seconds_since(start);
  result.properties = prepared.properties;
  auto embedded = co_await async_embed(batcher_, std::move(prepared.image), deadline);
  result.vector = std::move(embedded.vector);
  result.queue_s = std::chrono::duration<double>(embedded.timing.queued).count();
  result.embed_s = std::chrono::duration<double>(embedded.timing.run).count();
  metrics_.stage("decode", result.decode_s);
  metrics_.stage("queue", result.queue_s);
  metrics_.stage("embed", result.embed_s);
  metrics_.queue_depth(batcher_.queued());
  co_return result;
}

}  // namespace driftd::api
