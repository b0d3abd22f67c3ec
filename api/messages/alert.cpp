#include "api/messages/alert.hpp"

#include <boost/json.hpp>
#include <utility>

#include "api/messages/meaning.hpp"
#include "api/messages/stream.hpp"
#include "api/messages/value.hpp"
#include "api/time.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

json::array label_shares(const std::vector<drift::LabelShare>& shares) {
  json::array all;
  for (const auto& [label, images, share, expected] : shares) {
    const auto ratio = expected > 0 ? json::value(share / expected) : json::value(nullptr);
    all.push_back(
        json::object{{"label", label}, {"images", images}, {"share", share}, {"expected", expected}, {"ratio", ratio}});
  }
  return all;
}

json::array property_shifts(const std::vector<drift::PropertyShift>& shifts) {
  constexpr double kSurely = 0.01;  // p-value below which words are given
  json::array all;
  for (const auto& [name, median, reference, rank, p] : shifts) {
    const bool upper = rank > 0.5;
    all.push_back(json::object{{"name", name},
                               {"median", number(median)},
                               {"reference_median", number(reference)},
                               {"direction", upper ? "up" : "down"},
                               {"rank", number(rank)},
                               {"p_value", number(p)},
                               {"meaning", p < kSurely ? json::value(meaning_of(name, upper)) : json::value(nullptr)}});
  }
  return all;
}

json::array look_alikes(const std::vector<drift::LookAlikes>& groups) {
  json::array all;
  for (const auto& g : groups) {
    json::array examples;
    for (const auto& [request_id, image] : g.examples)
      examples.push_back(json::object{{"request_id", request_id}, {"image", image}});
    all.push_back(json::object{{"images", g.images},
                               {"nearest_label", g.nearest_label},
                               {"of_label", g.of_label},
                               {"first_seen", moment(g.first)},
                               {"last_seen", moment(g.last)},
                               {"examples", std::move(examples)},
                               {"neighbours", neighbours(g.neighbours)}});
  }
  return all;
}

}  // namespace

json::object to_json(const drift::Alert& a, std::int64_t silenced_until_ms) {
  json::array evidence;
  for (const auto& e : a.evidence) {
    evidence.push_back(json::object{{"request_id", e.request_id},
                                    {"image", e.image},
                                    {"score", number(e.score)},
                                    {"p_value", number(e.p_value)},
                                    {"distance", number(e.distance)},
                                    {"neighbours", neighbours(e.neighbours)}});
  }
  return {{"id", a.id},
          {"stream", a.stream},
          {"reference", a.reference},
          {"rule", a.rule},
          {"state", drift::name_of(a.state)},
          {"started", moment(a.started)},
          {"fired", moment(a.fired)},
          {"resolved", moment(a.resolved)},
          {"ood_rate", number(a.rate)},
          {"lower", number(a.lower)},
          {"upper", number(a.upper)},
          {"window", a.window},
          {"threshold", number(a.threshold)},
          {"false_alarms_per_image", number(a.false_alarm_per_image)},
          {"acknowledged", time_or_null(a.acknowledged_ms)},
          {"silenced_until", time_or_null(silenced_until_ms)},
          {"moved", to_json(a.moved)},
          {"evidence", std::move(evidence)}};
}

json::array to_json(const std::vector<drift::CurvePoint>& curve) {
  json::array all;
  for (const auto& [at, value, limit] : curve) {
    all.push_back(json::object{
        {"at", rfc3339(at.at_ms)}, {"image", at.image}, {"value", number(value)}, {"limit", number(limit)}});
  }
  return all;
}

json::object to_json(const drift::Breakdown& b) {
  return {{"from_image", b.from},
          {"until", moment(b.until)},
          {"images", b.images},
          {"strange", b.strange},
          {"about", b.of_strange ? "strange" : "all"},
          {"labels", label_shares(b.labels)},
          {"properties", property_shifts(b.properties)},
          {"groups", look_alikes(b.groups)}};
}

json::array to_json(const std::vector<drift::Picture>& pictures, const std::string& alert) {
  json::array all;
  for (const auto& p : pictures) {
    all.push_back(json::object{{"request_id", p.request_id},
                               {"url", "/v1/alerts/" + alert + "/images/" + std::to_string(p.n)},
                               {"width", p.width},
                               {"height", p.height}});
  }
  return all;
}

json::array to_json(const std::vector<drift::HistoryEntry>& history) {
  json::array all;
  for (const auto& e : history)
    all.push_back(json::object{{"at", rfc3339(e.at_ms)}, {"what", e.what}, {"who", e.who}, {"note", e.note}});
  return all;
}

json::object to_json(const drift::Silence& s) {
  return {{"id", s.id},   {"streams", s.streams}, {"from", rfc3339(s.from_ms)}, {"until", rfc3339(s.until_ms)},
          {"who", s.who}, {"note", s.note}};
}

json::object to_json(const drift::Delivery& d) {
  const bool pending = d.state == drift::DeliveryState::pending;
  return {{"id", d.id},
          {"webhook", d.target},
          {"event", d.event},
          {"subject", d.subject},
          {"state", drift::name_of(d.state)},
          {"attempts", d.attempts},
          {"created", rfc3339(d.created_ms)},
          {"next_attempt", pending ? json::value(rfc3339(d.next_ms)) : json::value(nullptr)},
          {"last_error", d.last_error.empty() ? json::value(nullptr) : json::value(d.last_error)}};
}

}  // namespace driftd::api
