#include "api/scoring_service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "api/async_embed.hpp"
#include "api/image_body.hpp"
#include "api/messages.hpp"
#include "api/pipeline.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
double milliseconds(double seconds) { return static_cast<double>(static_cast<std::int64_t>(seconds * 1e5)) / 100; }

std::string query_or(const Request& request, const std::string& name, const std::string& fallback) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? fallback : found->second;
}

std::size_t neighbours_wanted(const Request& request, std::size_t fallback) {
  const auto text = query_or(request, "k", "");
  if (text.empty()) return fallback;
  std::size_t k = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), k);
  if (error != std::errc{} || end != text.data() + text.size() || k < 1 || k > drift::kNeighbours) {
    throw Error{Errc::invalid_argument, "k must be a whole number from 1 to " + std::to_string(drift::kNeighbours)};
  }
  return k;
}

// One request in the house; the count goes down however the request ends.
class Admission {
 public:
  Admission(std::atomic<std::size_t>& count, std::size_t limit, Metrics& metrics) : count_{count} {
    if (++count_ > limit) {
      --count_;
      metrics.rejected("queue_full");
      throw Error{Errc::overloaded, "too many images are waiting; try again, or send fewer at a time"};
    }
  }
  ~Admission() { --count_; }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

 private:
  std::atomic<std::size_t>& count_;
};

}  // namespace

// What is known about a request once its vector is there.
struct ScoringService::Question {
  std::string stream;
  std::shared_ptr<const Reference> reference;
  ScoreOptions options;
  std::vector<float> vector;
  std::optional<embed::Properties> properties;
  double decode_s = 0;
  double queue_s = 0;
  double embed_s = 0;
};

ScoringService::ScoringService(const embed::Bundle& bundle, std::unique_ptr<embed::Embedder> embedder, References references,
                               drift::Monitor& monitor, Metrics& metrics, Options options)
    : bundle_{bundle},
      references_{std::move(references)},
      options_{options},
      monitor_{monitor},
      metrics_{metrics},
      batcher_{std::move(embedder), options.max_pending},
      workers_{options.workers} {}

asio::awaitable<Response> ScoringService::score(Request request) {
  const Admission admission{pending_, options_.max_pending, metrics_};
  co_return co_await asio::co_spawn(workers_, score_on_worker(std::move(request)), asio::use_awaitable);
}

asio::awaitable<Response> ScoringService::score_on_worker(Request request) {
  Question question{.stream = query_or(request, "stream", "default"), .options = options_.score};
  question.options.k = neighbours_wanted(request, options_.score.k);
  const auto reference = references_.find(query_or(request, "reference", "default"));
  if (reference == references_.end()) throw Error{Errc::not_found, "no such reference; GET /v1/references lists them"};
  question.reference = reference->second;
  if (Clock::now() > request.deadline) throw Error{Errc::deadline, "the request waited too long for a worker"};

  auto body = read_image_body(request, options_.max_image_bytes);
  if (auto* vector = std::get_if<Vector>(&body)) {
    question.vector = std::move(*vector);
  } else {
    const auto start = Clock::now();
    auto prepared = prepare(std::get<ImageBytes>(body).bytes, bundle_.preprocess);
    question.decode_s = seconds_since(start);
    question.properties = prepared.properties;
    auto embedded = co_await async_embed(batcher_, std::move(prepared.tensor), request.deadline);
    question.vector = std::move(embedded.vector);
    question.queue_s = std::chrono::duration<double>(embedded.timing.queued).count();
    question.embed_s = std::chrono::duration<double>(embedded.timing.run).count();
  }
  co_return answer(request, question);
}

Response ScoringService::answer(const Request& request, const Question& q) {
  const auto start = Clock::now();
  const auto result = api::score(*q.reference, {1, q.vector.size(), q.vector.data()}, q.options).front();
  const double search_s = seconds_since(start);

  const auto& manifest = q.reference->manifest();
  drift::Result observed{result.score, result.p_value, result.ood, result.distance, request.id, {}};
  if (result.ood) {
    for (const auto& n : result.neighbours) observed.neighbours.push_back({n.id, n.label, n.uri, n.distance});
  }
  const auto seen = monitor_.observe(q.stream, {manifest.id(), q.reference->calibration.ranked(), q.options.alpha}, std::move(observed), now_ms());

  metrics_.scored(manifest.name, q.stream, result.ood, result.score, result.p_value);
  metrics_.stage("search", search_s);
  metrics_.queue_depth(batcher_.queued());
  if (q.properties) {  // an image, not a ready vector
    metrics_.stage("decode", q.decode_s);
    metrics_.stage("queue", q.queue_s);
    metrics_.stage("embed", q.embed_s);
  }

  boost::json::object object{{"request_id", request.id}, {"stream", q.stream}, {"reference", manifest.id()}, {"model", bundle_.id()}};
  for (auto& field : to_json(result)) object.insert(field);
  if (q.properties) object["properties"] = to_json(*q.properties);
  object["window"] = to_json(seen.window);
  object["alert"] = to_json(seen.alert);
  object["took_ms"] = {{"queue", milliseconds(q.queue_s)},
                       {"decode", milliseconds(q.decode_s)},
                       {"embed", milliseconds(q.embed_s)},
                       {"search", milliseconds(search_s)},
                       {"total", milliseconds(seconds_since(request.received))}};
  return json_response(object);
}

}  // namespace driftd::api
