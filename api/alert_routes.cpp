#include "api/alert_routes.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "api/jpeg_response.hpp"
#include "api/json_body.hpp"
#include "api/json_response.hpp"
#include "api/messages/alert.hpp"
#include "api/messages/retrain.hpp"
#include "api/messages/stream.hpp"
#include "api/paging.hpp"
#include "api/pool_handler.hpp"
#include "api/request_id.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr std::size_t kBody = 4096;
constexpr std::size_t kMaxWho = 128;
constexpr std::size_t kMaxNote = 1024;
constexpr std::int64_t kMaxSilenceSeconds = 366LL * 24 * 3600;

const std::string& id_of(const Request& request) {
  return request.parameters.at("id");
}

[[noreturn]] void not_found(const std::string& what) {
  throw Error{Errc::not_found, "there is no such " + what};
}

Author author_of(const JsonBody& body) {
  return {body.text("who", kMaxWho), body.text("note", kMaxNote)};
}

// {"until": time} or {"for_seconds": n}
std::int64_t until_of(const JsonBody& body, std::int64_t from_ms) {
  const auto until = body.time_ms("until");
  const auto seconds = body.integer("for_seconds", 1, kMaxSilenceSeconds);
  if (until.has_value() == seconds.has_value())
    throw Error{Errc::invalid_argument, R"(the body must say "until" or "for_seconds", one of them)"};
  const auto until_ms = until ? *until : from_ms + 1000 * *seconds;
  if (until_ms <= from_ms || until_ms > from_ms + 1000 * kMaxSilenceSeconds) {
    throw Error{Errc::invalid_argument, "a silence must end after it begins, and within 366 days"};
  }
  return until_ms;
}

// --- Alerts ---

drift::Alert alert_at(const drift::Monitor& monitor, const std::string& id) {
  auto alert = monitor.alert(id);
  if (!alert) not_found("alert; it may be older than the history");
  return std::move(*alert);
}

Response alert_response(const drift::Store& store, const drift::Alert& alert) {
  auto object = to_json(alert, drift::silenced_until(store.silences(), alert.stream, now_ms()));
  object["history"] = to_json(store.history(alert.id));
  object["curve"] = to_json(alert.curve);
  const auto breakdown = store.breakdown(alert.id);
  object["breakdown"] = breakdown ? json::value(to_json(*breakdown)) : json::value(nullptr);
  object["pictures"] = to_json(store.pictures(alert.id), alert.id);
  return json_response(object);
}

Response get_picture(const drift::Store& store, const Request& request) {
  const auto& text = request.parameters.at("n");
  const bool sound = !text.empty() && text.size() <= 4 && text.find_first_not_of("0123456789") == std::string::npos;
  const auto jpeg = sound ? store.picture(id_of(request), std::stoul(text)) : std::vector<std::byte>{};
  if (jpeg.empty()) not_found("picture; GET /v1/alerts/{id} lists those that an alert has");
  return jpeg_response(jpeg, Lasts::forever);
}

bool older(const drift::Alert& alert, const Cursor& cursor) {
  return std::tie(alert.fired.at_ms, alert.id) < std::tie(cursor.number, cursor.id);
}

Response get_alerts(const drift::Monitor& monitor, const drift::Store& store, const Request& request) {
  const auto limit = page_limit(request);
  const auto cursor = page_cursor(request);
  const auto state = query_text(request, "state");
  const auto stream = query_text(request, "stream");
  if (!state.empty() && state != "firing" && state != "resolved")
    throw Error{Errc::invalid_argument, "state must be firing or resolved"};
  const auto silences = store.silences();
  const auto now = now_ms();
  json::array page;
  json::value next;
  Cursor last;
  for (const auto& alert : monitor.alerts()) {
    if ((cursor && !older(alert, *cursor)) || (!state.empty() && drift::name_of(alert.state) != state)) continue;
    if (!stream.empty() && alert.stream != stream) continue;
    if (page.size() == limit) {
      next = to_text(last);
      break;
    }
    page.push_back(to_json(alert, drift::silenced_until(silences, alert.stream, now)));
    last = {alert.fired.at_ms, alert.id};
  }
  return json_response({{"alerts", std::move(page)}, {"next_cursor", std::move(next)}});
}

Response acknowledge(drift::Monitor& monitor, AlertService& alerts, const drift::Store& store, const Request& request) {
  const JsonBody body{request.body, {"who", "note"}};
  return alert_response(store, alerts.acknowledge(monitor, id_of(request), author_of(body), now_ms()));
}

Response silence_alert(const drift::Monitor& monitor, AlertService& alerts, const drift::Store& store,
                       const Request& request) {
  const JsonBody body{request.body, {"until", "for_seconds", "who", "note"}};
  const auto now = now_ms();
  const auto until = until_of(body, now);
  const auto alert = alert_at(monitor, id_of(request));
  alerts.silence(alert, until, author_of(body), now);
  return alert_response(store, alert);
}

Response unsilence_alert(const drift::Monitor& monitor, AlertService& alerts, const drift::Store& store,
                         const Request& request) {
  const JsonBody body{request.body, {"who", "note"}};
  const auto alert = alert_at(monitor, id_of(request));
  alerts.unsilence(alert, author_of(body), now_ms());
  return alert_response(store, alert);
}

// --- Silences ---

Response get_silences(const drift::Store& store, const Request&) {
  json::array all;
  const auto now = now_ms();
  for (const auto& silence : store.silences()) {
    if (silence.until_ms > now) all.push_back(to_json(silence));
  }
  return json_response({{"silences", std::move(all)}});
}

Response post_silence(drift::Store& store, const Request& request) {
  const JsonBody body{request.body, {"streams", "from", "until", "for_seconds", "who", "note"}};
  const auto streams = body.text("streams", 64);
  if (!drift::is_stream_pattern(streams)) {
    throw Error{Errc::invalid_argument,
                "\"streams\" must be a pattern of stream names: 1 to 64 of A-Z a-z 0-9 . _ - * ?"};
  }
  const auto now = now_ms();
  const auto from = body.time_ms("from").value_or(now);
  const auto until = until_of(body, from);
  if (until <= now) throw Error{Errc::invalid_argument, "this silence is over already"};
  const auto author = author_of(body);
  const drift::Silence silence{new_request_id(), streams, from, until, author.who, author.note};
  store.save_silence(silence, {}, {now, {}, {}, {}});
  return json_response(to_json(silence), 201);
}

Response delete_silence(drift::Store& store, const Request& request) {
  const auto all = store.silences();
  const auto found = std::ranges::find(all, id_of(request), &drift::Silence::id);
  if (found == all.end()) not_found("silence");
  store.remove_silences({&found->id, 1}, {}, {});
  return json_response(to_json(*found));
}

// --- Deliveries ---

Response get_deliveries(const drift::Store& store, const Request& request) {
  drift::DeliveryQuery query{.limit = page_limit(request) + 1};
  const auto state = query_text(request, "state");
  for (const auto known :
       {drift::DeliveryState::pending, drift::DeliveryState::delivered, drift::DeliveryState::dead}) {
    if (state == name_of(known)) query.state = known;
  }
  if (!state.empty() && !query.state) throw Error{Errc::invalid_argument, "state must be pending, delivered or dead"};
  if (const auto cursor = page_cursor(request)) query.before = cursor->number;
  auto found = store.deliveries(query);
  json::value next;
  if (found.size() == query.limit) {
    found.pop_back();
    next = to_text({found.back().order, {}});
  }
  json::array page;
  for (const auto& delivery : found) page.push_back(to_json(delivery));
  return json_response({{"deliveries", std::move(page)}, {"next_cursor", std::move(next)}});
}

Response retry_delivery(drift::Store& store, WebhookSender& sender, const Request& request) {
  const auto found = store.delivery(id_of(request));
  if (!sender.knows(found.target))
    throw Error{Errc::conflict, "its webhook is no longer configured, so that nobody could be told"};
  const auto delivery = store.retry(found.id, now_ms());
  sender.retry_now();
  return json_response(to_json(delivery));
}

// --- Retrain requests ---

Response retrain_response(const drift::Store& store, const drift::RetrainRequest& request) {
  auto object = to_json(request);
  object["history"] = to_json(store.history(request.id));
  return json_response(object);
}

Response get_retrains(const drift::Store& store, const Request& request) {
  const auto limit = page_limit(request);
  const auto cursor = page_cursor(request);
  const auto text = query_text(request, "status");
  const auto status = drift::retrain_status_of(text);
  if (!text.empty() && !status) throw Error{Errc::invalid_argument, "status must be one of a retrain request"};
  json::array page;
  json::value next;
  Cursor last;
  for (const auto& one : store.retrains()) {
    if ((status && one.status != *status) ||
        (cursor && std::tie(one.created_ms, one.id) >= std::tie(cursor->number, cursor->id)))
      continue;
    if (page.size() == limit) {
      next = to_text(last);
      break;
    }
    page.push_back(to_json(one));
    last = {one.created_ms, one.id};
  }
  return json_response({{"retrain", std::move(page)}, {"next_cursor", std::move(next)}});
}

Response get_retrain(const drift::Store& store, const Request& request) {
  const auto found = store.retrain(id_of(request));
  if (!found) not_found("retrain request");
  return retrain_response(store, *found);
}

Response patch_retrain(const drift::Store& store, RetrainService& retrain, const Request& request) {
  const JsonBody body{request.body, {"status", "reference_version", "who", "note"}};
  const auto [who, note] = author_of(body);
  RetrainChange change{std::nullopt, body.integer("reference_version", 1, INT32_MAX), who, note};
  if (body.has("status")) {
    change.status = drift::retrain_status_of(body.text("status", 32));
    if (!change.status)
      throw Error{Errc::invalid_argument,
                  "\"status\" must be accepted, training, ready, activated, failed or rejected"};
  }
  return retrain_response(store, retrain.change(id_of(request), change, now_ms()));
}

// --- Feedback ---

Response post_feedback(drift::Store& store, drift::Feedback& feedback, AccuracyWatch& accuracy,
                       const Request& request) {
  const JsonBody body{request.body, {"request_id", "label"}};
  const auto judgement = feedback.judge(body.text("request_id", 128), body.text("label", 256), now_ms());
  if (!judgement.counted) {
    store.save_judgement(judgement);
    feedback.count(judgement);
    accuracy.judged(judgement);
  }
  return json_response(
      {{"request_id", judgement.request_id},
       {"stream", judgement.stream},
       {"reference", judgement.reference},
       {"predicted", judgement.predicted},
       {"label", judgement.label},
       {"correct", judgement.correct()},
       {"accuracy", to_json(feedback.accuracy(judgement.stream), accuracy.reading(judgement.stream))}});
}

Response get_feedback(const drift::Feedback& feedback, const AccuracyWatch& watch) {
  json::array all;
  for (const auto& accuracy : feedback.accuracies()) all.push_back(to_json(accuracy, watch.reading(accuracy.stream)));
  return json_response({{"streams", std::move(all)}});
}

}  // namespace

void add_alert_routes(Router& router, asio::thread_pool& pool, drift::Monitor& monitor, AlertService& alerts,
                      drift::Store& store) {
  router.add({"GET", "/v1/alerts", 0, on_pool(pool, [&](const Request& r) { return get_alerts(monitor, store, r); })});
  router.add({"GET", "/v1/alerts/{id}", 0,
              on_pool(pool, [&](const Request& r) { return alert_response(store, alert_at(monitor, id_of(r))); })});
  router.add(
      {"GET", "/v1/alerts/{id}/images/{n}", 0, on_pool(pool, [&](const Request& r) { return get_picture(store, r); })});
  router.add({"POST", "/v1/alerts/{id}/ack", kBody,
              on_pool(pool, [&](const Request& r) { return acknowledge(monitor, alerts, store, r); })});
  router.add({"POST", "/v1/alerts/{id}/silence", kBody,
              on_pool(pool, [&](const Request& r) { return silence_alert(monitor, alerts, store, r); })});
  router.add({"DELETE", "/v1/alerts/{id}/silence", kBody,
              on_pool(pool, [&](const Request& r) { return unsilence_alert(monitor, alerts, store, r); })});
  router.add({"GET", "/v1/silences", 0, on_pool(pool, [&](const Request& r) { return get_silences(store, r); })});
  router.add({"POST", "/v1/silences", kBody, on_pool(pool, [&](const Request& r) { return post_silence(store, r); })});
  router.add(
      {"DELETE", "/v1/silences/{id}", 0, on_pool(pool, [&](const Request& r) { return delete_silence(store, r); })});
}

void add_delivery_routes(Router& router, asio::thread_pool& pool, drift::Store& store, WebhookSender& sender) {
  router.add({"GET", "/v1/deliveries", 0, on_pool(pool, [&](const Request& r) { return get_deliveries(store, r); })});
  router.add({"POST", "/v1/deliveries/{id}/retry", kBody,
              on_pool(pool, [&](const Request& r) { return retry_delivery(store, sender, r); })});
}

void add_retrain_routes(Router& router, asio::thread_pool& pool, drift::Store& store, RetrainService& retrain) {
  router.add({"GET", "/v1/retrain", 0, on_pool(pool, [&](const Request& r) { return get_retrains(store, r); })});
  router.add({"GET", "/v1/retrain/{id}", 0, on_pool(pool, [&](const Request& r) { return get_retrain(store, r); })});
  router.add({"PATCH", "/v1/retrain/{id}", kBody,
              on_pool(pool, [&](const Request& r) { return patch_retrain(store, retrain, r); })});
}

void add_feedback_routes(Router& router, asio::thread_pool& pool, drift::Store& store, drift::Feedback& feedback,
                         AccuracyWatch& accuracy) {
  router.add(
      {"GET", "/v1/feedback", 0, on_pool(pool, [&](const Request&) { return get_feedback(feedback, accuracy); })});
  router.add({"POST", "/v1/feedback", kBody,
              on_pool(pool, [&](const Request& r) { return post_feedback(store, feedback, accuracy, r); })});
}

}  // namespace driftd::api
