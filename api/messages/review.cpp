#include "api/messages/review.hpp"

#include <boost/json.hpp>
#include <string>
#include <utility>

#include "api/messages/value.hpp"
#include "api/time.hpp"
#include "drift/statistics.hpp"

namespace driftd::api {

namespace json = boost::json;

json::object to_json(const drift::ReviewItem& i) {
  json::value picture;
  if (i.image_bytes > 0)
    picture = json::object{
        {"url", "/v1/review/" + i.id + "/image"}, {"width", i.width}, {"height", i.height}, {"bytes", i.image_bytes}};
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
  };
  return {{"id", i.id},
          {"source", name_of(i.source)},
          {"state", name_of(i.state)},
          {"stream", i.stream},
          {"reference", i.reference},
          {"request_id", i.request_id},
          {"score", number(i.score)},
          {"p_value", number(i.p_value)},
          {"ood", i.ood},
          {"distance", number(i.distance)},
          {"novelty", i.source == drift::ReviewSource::diverse ? number(i.novelty) : json::value(nullptr)},
          {"predicted", text_or_null(i.predicted)},
          {"neighbours", neighbours(i.neighbours)},
          {"created", rfc3339(i.created_ms)},
          {"image", std::move(picture)},
          {"label", text_or_null(i.label)},
          {"truly_ood", i.truly_ood ? json::value(*i.truly_ood) : json::value(nullptr)},
          {"answered", time_or_null(i.answered_ms)},
          {"who", i.who},
          {"note", i.note}};
}

json::object to_json(const drift::ReviewEstimate& e) {
  const auto share = [&](std::size_t count) {
    const auto bounds = drift::wilson(count, e.judged);
    const auto rate =
        e.judged == 0 ? json::value(nullptr) : json::value(static_cast<double>(count) / static_cast<double>(e.judged));
    return json::object{{"count", count}, {"rate", rate}, {"lower", bounds.lower}, {"upper", bounds.upper}};
  };
  return {{"stream", e.sample.stream},
          {"reference", e.sample.reference},
          {"since", time_or_null(e.sample.since_ms)},
          {"images", e.sample.seen},
          {"missed", e.sample.missed},
          {"sample", e.size},
          {"waiting", e.waiting},
          {"judged", e.judged},
          {"flagged", share(e.flagged)},
          {"ood", share(e.ood)},
          {"wrong", share(e.wrong)}};
}

}  // namespace driftd::api
