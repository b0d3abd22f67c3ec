#include "api/scoring_service.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <utility>

#include "api/json_response.hpp"
#include "api/messages/score.hpp"
#include "api/messages/stream.hpp"
#include "api/paging.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "drift/coverage.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
// An image as it came, without what else its sender said.
std::shared_ptr<const Request> image_alone(Request& request) {
  auto alone = std::make_shared<Request>();
  alone->body = std::move(request.body);
  for (auto& header : request.headers) {
    if (header.first == "content-type") alone->headers.push_back(std::move(header));
  }
  return alone;
}

double milliseconds(double seconds) {
  return static_cast<double>(static_cast<std::int64_t>(seconds * 1e5)) / 100;
}

}  // namespace

LiveReference& reference_of(const References& references, const Request& request) {
  const auto reference = references.find(query_text(request, "reference", "default"));
  if (reference == references.end()) throw Error{Errc::not_found, "no such reference; GET /v1/references lists them"};
  return *reference->second;
}

std::size_t count_of(const Request& request, const std::string& name, std::size_t fallback, std::size_t most) {
  const auto text = query_text(request, name);
  if (text.empty()) return fallback;
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count < 1 || count > most) {
    throw Error{Errc::invalid_argument, name + " must be a whole number from 1 to " + std::to_string(most)};
  }
  return count;
}

// What is known about a request once its vector is there.
struct ScoringService::Question {
  std::string stream;
  Reference reference;
  ScoreOptions options;
  EmbeddedBody embedded;
  double search_s = 0;  // waiting for the search of others included
};

asio::awaitable<Response> ScoringService::score(Request request) {
  return embedding_.on_worker([this](Request r) { return score_on_worker(std::move(r)); }, std::move(request));
}

asio::awaitable<Response> ScoringService::score_on_worker(Request request) {
  const auto& live = reference_of(references_, request);
  Question question{query_text(request, "stream", "default"), {}, options_, {}, 0};
  question.options.k = count_of(request, "k", options_.k, drift::kNeighbours);
  question.options.label = query_text(request, "label");
  question.embedded = co_await embedding_.embed(request);
  question.reference = live.current();  // after the wait, so that the answer is of the version that is live now
  const auto start = Clock::now();
  // Named: GCC 12 destroys temporaries of a co_await expression twice.
  auto reference = question.reference;
  auto vector = question.embedded.vector;
  auto options = question.options;
  const auto score = co_await batcher_.score(std::move(reference), std::move(vector), std::move(options));
  question.search_s = seconds_since(start);
  co_return answer(request, question, score);
}

// What the index misses on the images that come, which may be others than those it was tuned on.
void ScoringService::recheck(const Question& q, const Score& score) {
  if (recheck_every_ == 0 || q.options.among != Among::all || q.reference.items->base().index().nlist() == 0) return;
  if (scored_++ % recheck_every_ != 0) return;
  const auto exact = nearest(q.reference, q.embedded.vector, q.options.k, {.label = {}, .all_cells = true});
  std::size_t found = 0;
  for (std::size_t i = 0; i < exact.size(); ++i)
    found += i < score.neighbours.size() && score.neighbours[i].distance <= exact[i].distance * (1 + 1e-5) ? 1 : 0;
  metrics_.rechecked(q.reference.manifest().name, found, exact.size());
}

// Keeps what may be asked for later: the embedding for a replay, and, where it is wanted, the image for a person's eye.
void ScoringService::remember(Request& request, Question& q, const Score& result, std::uint64_t image,
                              const std::string& vote, std::vector<float> properties) {
  const auto pick = watchers_.review.pick(q.stream, q.reference.manifest().id(), result.ood, now_ms());
  auto vector = std::make_shared<const std::vector<float>>(std::move(q.embedded.vector));
  const bool shown = result.ood && watchers_.pictures.wanted();
  const bool is_image = q.embedded.properties.has_value();
  const auto sent = is_image && (pick || shown) ? image_alone(request) : nullptr;
  if (sent && shown) watchers_.pictures.push(q.stream, {request.id, image, result.p_value, result.score, sent});
  if (pick) {
    drift::ReviewItem item{.stream = q.stream,
                           .reference = q.reference.id(),
                           .model = embedding_.bundle().id(),
                           .request_id = request.id,
                           .score = result.score,
                           .p_value = result.p_value,
                           .ood = result.ood,
                           .distance = result.distance,
                           .predicted = vote,
                           .created_ms = now_ms()};
    for (const auto& n : result.neighbours) item.neighbours.push_back({n.id, n.label, n.uri, n.distance});
    watchers_.review.offer(pick, {std::move(item), *vector, sent});
  }
  watchers_.recent.push(q.stream, {std::move(vector), q.reference.manifest().name, now_ms(), std::move(properties),
                                   q.options.label, image, request.id, result.ood,
                                   result.neighbours.empty() ? std::string{} : result.neighbours.front().label});
}

Response ScoringService::answer(Request& request, Question& q, const Score& result) {
  drift::Result observed{result.score, result.p_value, result.ood, result.distance, request.id, {}, {}};
  observed.watched = watched_values(q.reference, q.embedded.vector, q.embedded.properties);
  if (result.ood) {
    for (const auto& n : result.neighbours) observed.neighbours.push_back({n.id, n.label, n.uri, n.distance});
  }
  // A window belongs to a calibration, so a version that only continues another one's segment does not end it.
  // What components say of an embedding, another reference says otherwise.
  std::vector<float> properties{
      observed.watched.begin() + static_cast<std::ptrdiff_t>(q.reference.normal().components.count),
      observed.watched.end()};
  const auto seen = watchers_.monitor.observe(
      q.stream,
      {q.reference.manifest().id(), drift::independent_images(calibration_for(q.reference, q.options), q.options.alpha),
       q.options.alpha, q.reference.normal().watched, q.reference.normal().windows},
      std::move(observed), now_ms());

  std::vector<std::string> labels;
  for (const auto& n : result.neighbours) labels.push_back(n.label);
  const auto vote = drift::majority_label(labels);
  watchers_.feedback.predicted(request.id, q.stream, q.reference.id(), vote);

  metrics_.scored(q.reference.manifest().name, q.stream, result.ood, result.score, result.p_value);
  metrics_.stage("search", q.search_s);
  recheck(q, result);
  remember(request, q, result, seen.window.total, vote, std::move(properties));

  boost::json::object object{{"request_id", request.id},
                             {"stream", q.stream},
                             {"reference", q.reference.id()},
                             {"model", embedding_.bundle().id()}};
  for (auto& field : to_json(result)) object.insert(field);
  if (q.embedded.properties) object["properties"] = to_json(*q.embedded.properties);
  object["window"] = to_json(seen.window);
  object["alert"] = to_json(seen.alert);
  object["took_ms"] = {{"queue", milliseconds(q.embedded.queue_s)},
                       {"decode", milliseconds(q.embedded.decode_s)},
                       {"embed", milliseconds(q.embedded.embed_s)},
                       {"search", milliseconds(q.search_s)},
                       {"total", milliseconds(seconds_since(request.received))}};
  return json_response(object);
}

}  // namespace driftd::api
