#include "api/new_normal_routes.hpp"

#include <boost/json.hpp>
#include <utility>

#include "api/json_body.hpp"
#include "api/json_response.hpp"
#include "api/pool_handler.hpp"
#include "api/time.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

constexpr std::size_t kBody = 256 << 10;
constexpr std::size_t kMostItems = 5000;

// Those that the caller lists, or all of the stream that a person has labelled.
std::vector<drift::ReviewItem> approved(const ReviewService& review, const drift::Alert& alert,
                                        const std::vector<std::string>& ids) {
  std::vector<drift::ReviewItem> items;
  for (const auto& id : ids) {
    auto item = review.store().item(id);
    if (!item)
      throw Error{Errc::not_found,
                  "there is no image " + id + " in the review queue; it may have made room for another one"};
    if (item->stream != alert.stream)
      throw Error{Errc::conflict, "image " + id + " is of another stream than the alert"};
    if (item->state != drift::ReviewState::labelled) {
      throw Error{Errc::conflict, "image " + id + " is " + std::string{name_of(item->state)} + ", not labelled"};
    }
    items.push_back(std::move(*item));
  }
  if (!ids.empty()) return items;
  items = review.store().items({.state = drift::ReviewState::labelled, .stream = alert.stream, .limit = kMostItems});
  const auto name = name_of_reference(alert.reference);
  std::erase_if(items, [&](const auto& item) { return name_of_reference(item.reference) != name; });
  return items;
}

Response accept(const drift::Monitor& monitor, AlertService& alerts, ReviewDesk& desk, const Request& request) {
  const JsonBody body{request.body, {"items", "who", "note"}};
  const Author author{body.text("who", 128), body.text("note", 1024)};
  const auto& id = request.parameters.at("id");
  const auto alert = monitor.alert(id);
  if (!alert) throw Error{Errc::not_found, "there is no such alert; it may be older than the history"};
  const auto items = approved(desk.review, *alert, body.texts("items", kMostItems, 64));
  const auto now = now_ms();
  const auto done = accept_as_normal(desk, items, author.who, "before alert " + id + " was accepted as normal", now);
  alerts.note(monitor, id, drift::kAccepted, author,
              std::to_string(done.accepted) + " images joined " + done.reference + "; version " +
                  std::to_string(done.rollback_version) + " is as it was before",
              now);
  return json_response({{"alert", id},
                        {"accepted", done.accepted},
                        {"reference", done.reference},
                        {"rollback_version", done.rollback_version},
                        {"recalibrating", done.recalibrating}});
}

}  // namespace

void add_new_normal_routes(Router& router, boost::asio::thread_pool& pool, const drift::Monitor& monitor,
                           AlertService& alerts, ReviewDesk desk) {
  router.add(
      {"POST", "/v1/alerts/{id}/accept", kBody, on_pool(pool, [&monitor, &alerts, desk](const Request& r) mutable {
         return accept(monitor, alerts, desk, r);
       })});
}

}  // namespace driftd::api
