#include "api/review_routes.hpp"

#include <boost/json.hpp>
#include <utility>

#include "api/jpeg_response.hpp"
#include "api/json_body.hpp"
#include "api/json_response.hpp"
#include "api/messages/review.hpp"
#include "api/new_normal.hpp"
#include "api/paging.hpp"
#include "api/pool_handler.hpp"
#include "api/review_export.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;
using drift::ReviewItem;

constexpr std::size_t kBody = 8192;
constexpr std::size_t kMaxLabel = 256;

drift::ReviewQuery query_of(const Request& request) {
  drift::ReviewQuery query{.stream = query_text(request, "stream")};
  if (const auto state = query_text(request, "state"); !state.empty()) {
    query.state = drift::review_state_of(state);
    if (!query.state) throw Error{Errc::invalid_argument, "state must be waiting, labelled, dismissed or accepted"};
  }
  const auto source = query_text(request, "source");
  if (source == "diverse" || source == "random")
    query.source = source == "random" ? drift::ReviewSource::random : drift::ReviewSource::diverse;
  if (!source.empty() && !query.source) throw Error{Errc::invalid_argument, "source must be diverse or random"};
  return query;
}

Response get_review(const ReviewService& review, const Request& request) {
  auto query = query_of(request);
  query.limit = page_limit(request) + 1;
  if (const auto cursor = page_cursor(request)) query.before = cursor->number;
  auto found = review.store().items(query);
  json::value next;
  if (found.size() == query.limit) {
    found.pop_back();
    next = to_text({found.back().order, {}});
  }
  json::array page;
  for (const auto& item : found) page.push_back(to_json(item));
  json::array estimates;
  for (const auto& estimate : review.estimates()) estimates.push_back(to_json(estimate));
  const auto counts = review.store().counts();
  return json_response({{"items", std::move(page)},
                        {"next_cursor", std::move(next)},
                        {"waiting", counts.waiting},
                        {"answered", counts.answered},
                        {"image_bytes", counts.image_bytes},
                        {"estimates", std::move(estimates)}});
}

ReviewItem item_at(const ReviewService& review, const std::string& id) {
  auto item = review.store().item(id);
  if (!item)
    throw Error{Errc::not_found, "there is no such image in the review queue; it may have made room for another one"};
  return std::move(*item);
}

Response get_picture(const ReviewService& review, const Request& request) {
  const auto item = item_at(review, request.parameters.at("id"));
  const auto jpeg = review.store().image(item.id);
  if (jpeg.empty()) {
    throw Error{Errc::not_found, review.keeps_pictures()
                                     ? "no picture of it is kept: it came as a vector, or review.max_bytes is spent"
                                     : "no pictures are kept here: pictures is false"};
  }
  return jpeg_response(jpeg, Lasts::forever);
}

// Whether the reference lacks the label: then the image is of a kind that the model was not trained on.
std::optional<bool> is_new_label(const References& references, const ReviewItem& item, const std::string& label) {
  const auto found = references.find(name_of_reference(item.reference));
  if (found == references.end() || label.empty()) return std::nullopt;
  return !found->second->current().items->base().labels().contains(label);
}

Response patch_review(ReviewService& review, const References& references, const std::string& model,
                      const Request& request) {
  const JsonBody body{request.body, {"label", "ood", "dismiss", "accept", "who", "note"}};
  ReviewAnswer answer{.truly_ood = body.flag("ood"),
                      .dismiss = body.flag("dismiss").value_or(false),
                      .accept = body.flag("accept").value_or(false),
                      .who = body.text("who", 128),
                      .note = body.text("note", 1024)};
  if (body.has("label")) answer.label = body.text("label", kMaxLabel);
  if (answer.label && answer.label->empty()) throw Error{Errc::invalid_argument, "\"label\" must have 1 to 256 bytes"};
  if (answer.dismiss ? answer.label || answer.accept || answer.truly_ood : !answer.label && !answer.accept) {
    throw Error{Errc::invalid_argument,
                R"(the body must say {"label": ...}, {"accept": true} with or without a label, or {"dismiss": true})"};
  }
  const auto item = item_at(review, request.parameters.at("id"));
  const auto label = answer.label.value_or(item.label);
  if (answer.accept && label.empty() && !item.predicted.empty()) {
    throw Error{Errc::invalid_argument, "an image goes into this reference with a label: say which"};
  }
  if (!answer.dismiss && !answer.truly_ood)
    answer.truly_ood = item.truly_ood && !answer.label ? item.truly_ood : is_new_label(references, item, label);
  const auto put = [&](const ReviewItem& accepted, const std::vector<float>& vector) {
    (void)reference_for(references, model, {accepted}).upsert({new_item(accepted, vector)});
  };
  return json_response(to_json(review.answer(item.id, answer, now_ms(), put)));
}

Response get_export(const ReviewService& review, const std::string& url, const Request& request) {
  const auto format = review_format_of(query_text(request, "format"));
  if (!format) throw Error{Errc::invalid_argument, "format must be csv, coco or labelstudio"};
  auto query = query_of(request);
  query.limit = INT32_MAX;
  return export_review(*format, review.store().items(query), url);
}

}  // namespace

void add_review_routes(Router& router, boost::asio::thread_pool& pool, ReviewService& review,
                       const References& references, const std::string& model, const std::string& url) {
  router.add({"GET", "/v1/review", 0, on_pool(pool, [&](const Request& r) { return get_review(review, r); })});
  router.add({"GET", "/v1/review/export", 0,
              on_pool(pool, [&review, url](const Request& r) { return get_export(review, url, r); })});
  router.add(
      {"GET", "/v1/review/{id}/image", 0, on_pool(pool, [&](const Request& r) { return get_picture(review, r); })});
  router.add({"PATCH", "/v1/review/{id}", kBody, on_pool(pool, [&review, &references, model](const Request& r) {
                return patch_review(review, references, model, r);
              })});
}

}  // namespace driftd::api
