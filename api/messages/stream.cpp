#include "api/messages/stream.hpp"

#include <boost/json.hpp>

#include "api/messages/meaning.hpp"
#include "api/messages/value.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

json::value time_window(const std::optional<drift::TimeWindowSummary>& w) {
  if (!w) return nullptr;
  return json::object{{"seconds", w->seconds},     {"size", w->size},           {"ood_rate", number(w->ood_rate)},
                      {"lower", number(w->lower)}, {"upper", number(w->upper)}, {"enough", w->enough}};
}

json::object detectors(const drift::StreamSummary& s) {
  json::object all;
  for (const auto& [name, reading, pending, alert] : s.detectors) {
    json::array groups;
    for (const auto& group : reading.groups) {
      groups.push_back(
          json::object{{"name", group.name}, {"value", number(group.value)}, {"limit", number(group.limit)}});
    }
    all[name] = {
        {"value", number(reading.value)}, {"limit", number(reading.limit)}, {"pending", pending},
        {"alert", to_json(alert)},        {"groups", std::move(groups)},    {"channels", to_json(reading.channels)}};
  }
  return all;
}

}  // namespace

json::object to_json(const drift::WindowSummary& w) {
  return {{"size", w.size},
          {"capacity", w.capacity},
          {"ood_rate", number(w.ood_rate)},
          {"lower", number(w.lower)},
          {"upper", number(w.upper)}};
}

json::value to_json(const std::optional<drift::AlertSummary>& alert) {
  if (!alert) return nullptr;
  return json::object{{"id", alert->id}, {"rule", alert->rule}, {"state", drift::name_of(alert->state)}};
}

json::array to_json(const std::vector<drift::Shift>& all) {
  json::array out;
  for (const auto& shift : all) {
    out.push_back(json::object{{"name", shift.name},
                               {"direction", shift.upper ? "up" : "down"},
                               {"meaning", meaning_of(shift.name, shift.upper)},
                               {"rank", number(shift.rank)},
                               {"share", number(shift.share)}});
  }
  return out;
}

json::object to_json(const drift::StreamSummary& s) {
  return {{"stream", s.name},
          {"reference", s.reference},
          {"images", s.window.total},
          {"ood_images", s.window.total_flagged},
          {"first_seen", time_or_null(s.first_ms)},
          {"last_seen", time_or_null(s.last_ms)},
          {"window", to_json(s.window)},
          {"time_window", time_window(s.time_window)},
          {"pending", s.pending()},
          {"alert", to_json(s.most_urgent())},
          {"detectors", detectors(s)}};
}

json::object to_json(const drift::Accuracy& a, const std::optional<AccuracyReading>& watch) {
  json::value detector;
  if (watch) {
    detector = json::object{{"expected", watch->expected},
                            {"tolerated", watch->tolerated},
                            {"value", number(watch->value)},
                            {"limit", watch->limit},
                            {"alert", to_json(watch->alert)}};
  }
  return {{"stream", a.stream},
          {"labels", a.total},
          {"window", a.size},
          {"rate", number(a.rate)},
          {"lower", number(a.lower)},
          {"upper", number(a.upper)},
          {"detector", std::move(detector)}};
}

}  // namespace driftd::api
