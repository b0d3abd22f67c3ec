#include "api/messages.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <string>
#include <string_view>

#include "api/time.hpp"
#include "drift/coverage.hpp"
#include "drift/statistics.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::value time_or_null(std::int64_t unix_ms) {
  return unix_ms > 0 ? json::value(rfc3339(unix_ms)) : json::value(nullptr);
}

json::value moment(const drift::Moment& m) {
  if (m.image == 0) return nullptr;
  return json::object{{"at", rfc3339(m.at_ms)}, {"image", m.image}};
}

template <class Near>
json::array neighbours(const std::vector<Near>& list) {
  json::array out;
  for (const auto& n : list) {
    out.push_back(json::object{{"id", n.id}, {"label", n.label}, {"distance", number(n.distance)}, {"uri", n.uri}});
  }
  return out;
}

// What a person would say of images whose values went down, or up.
struct Words {
  std::string_view name, down, up;
};
constexpr std::array kWords{Words{"score", "more typical", "stranger"},
                            Words{"brightness", "darker", "brighter"},
                            Words{"contrast", "flatter", "richer in contrast"},
                            Words{"sharpness", "blurrier", "sharper or noisier"},
                            Words{"saturation", "paler", "more colourful"},
                            Words{"width", "narrower", "wider"},
                            Words{"height", "lower", "higher"},
                            Words{"aspect", "more upright", "more oblong"},
                            Words{"jpeg_quality", "more compressed", "less compressed"}};

std::string_view word_for(std::string_view name, bool upper) {
  const auto* words = std::ranges::find(kWords, name, &Words::name);
  if (words == kWords.end()) return "elsewhere in the embedding space";  // a component has no name of its own
  return upper ? words->up : words->down;
}

json::array shifts(const std::vector<drift::Shift>& all) {
  json::array out;
  for (const auto& shift : all) {
    out.push_back(json::object{{"name", shift.name},
                               {"direction", shift.upper ? "up" : "down"},
                               {"meaning", word_for(shift.name, shift.upper)},
                               {"rank", number(shift.rank)},
                               {"share", number(shift.share)}});
  }
  return out;
}

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
        {"alert", to_json(alert)},        {"groups", std::move(groups)},    {"channels", shifts(reading.channels)}};
  }
  return all;
}

json::object search_figures(const index::SearchFigures& s) {
  return {{"nlist", s.nlist},
          {"nprobe", s.nprobe},
          {"recall_at_3", number(s.recall)},
          {"score_error", number(s.score_error)},
          {"sample", s.sample}};
}

}  // namespace

json::value to_json(const std::optional<drift::AlertSummary>& alert) {
  if (!alert) return nullptr;
  return json::object{{"id", alert->id}, {"rule", alert->rule}, {"state", drift::name_of(alert->state)}};
}

json::object to_json(const Score& s) {
  json::object object{{"score", number(s.score)},
                      {"p_value", number(s.p_value)},
                      {"ood", s.ood},
                      {"alpha", s.alpha},
                      {"distance", number(s.distance)},
                      {"threshold", number(s.threshold)},
                      {"k", s.k},
                      {"neighbours", neighbours(s.neighbours)}};
  if (s.label) object["label"] = *s.label;
  return object;
}

json::object to_json(const embed::Properties& p) {
  return {{"brightness", number(p.brightness)},
          {"contrast", number(p.contrast)},
          {"sharpness", number(p.sharpness)},
          {"saturation", number(p.saturation)},
          {"width", p.width},
          {"height", p.height},
          {"aspect", number(p.aspect())},
          {"jpeg_quality", p.jpeg_quality}};
}

json::object to_json(const drift::WindowSummary& w) {
  return {{"size", w.size},
          {"capacity", w.capacity},
          {"ood_rate", number(w.ood_rate)},
          {"lower", number(w.lower)},
          {"upper", number(w.upper)}};
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
          {"moved", shifts(a.moved)},
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

namespace {

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
                               {"meaning", p < kSurely ? json::value(word_for(name, upper)) : json::value(nullptr)}});
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

json::object to_json(const drift::RetrainRequest& r) {
  json::value command;  // null: it has not run
  if (r.command_started_ms > 0) {
    command = json::object{{"started", rfc3339(r.command_started_ms)},
                           {"exit_code", r.exit_code ? json::value(*r.exit_code) : json::value(nullptr)},
                           {"output", r.output}};
  }
  json::value trial;  // null: not tried
  if (r.trial) {
    const auto bounds = drift::wilson(r.trial->ood, r.trial->images);
    trial = json::object{{"at", rfc3339(r.trial->at_ms)}, {"version", r.trial->version}, {"images", r.trial->images},
                         {"ood", r.trial->ood},           {"lower", bounds.lower},       {"upper", bounds.upper},
                         {"live_ood", r.trial->live_ood}, {"passed", r.trial->passed}};
  }
  return {{"id", r.id},
          {"reference", r.reference},
          {"status", drift::name_of(r.status)},
          {"alerts", json::value_from(r.alerts)},
          {"streams", json::value_from(r.streams)},
          {"created", rfc3339(r.created_ms)},
          {"updated", rfc3339(r.updated_ms)},
          {"reference_version", r.reference_version > 0 ? json::value(r.reference_version) : json::value(nullptr)},
          {"command", std::move(command)},
          {"trial", std::move(trial)}};
}

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

namespace {

// What each alpha promises with this calibration; those that no p-value reaches are left out.
json::array false_alarms(const drift::Calibration& calibration) {
  json::array rates;
  for (const double alpha : {0.1, 0.05, 0.01}) {
    const auto [expected, interval] = drift::coverage_of(calibration, alpha);
    if (expected > 0)
      rates.push_back(
          json::object{{"alpha", alpha}, {"expected", expected}, {"lower", interval.lower}, {"upper", interval.upper}});
  }
  return rates;
}

}  // namespace

json::object to_json(const Reference& r) {
  const auto& m = r.manifest();
  const auto& calibration = r.calibration();
  return {{"reference", m.name},
          {"version", r.items->version()},
          {"revision", r.items->revision()},
          {"created", m.created},
          {"kind", index::name_of(m.kind)},
          {"metric", index::name_of(m.metric)},
          {"search", search_figures(m.search)},
          {"items", r.items->size()},
          {"dimension", m.dimension},
          {"model", m.model_name + "@sha256:" + m.model_hash},
          {"skipped", m.skipped},
          {"calibration",
           {{"method", drift::name_of(calibration.method)},
            {"ranked", calibration.ranked()},
            {"groups", calibration.groups},
            {"effective", calibration.effective},
            {"duplicates", calibration.duplicates},
            {"excluded", calibration.excluded},
            {"same_label", r.normal().given.has_value()},
            {"labels", calibration.labels.size()},
            {"false_alarms", false_alarms(calibration)}}}};
}

json::object to_json(const index::VersionInfo& v) {
  return {{"version", v.record.version},   {"live", v.live},
          {"snapshot", v.record.snapshot}, {"created", v.record.created},
          {"origin", v.record.origin},     {"note", v.record.note},
          {"changes", v.record.changes}};
}

json::object to_json(const index::Item& item) {
  json::object object{{"id", item.id}, {"label", item.label}, {"uri", item.uri}};
  if (!item.metadata.empty()) object["metadata"] = json::parse(item.metadata);
  return object;
}

json::array to_json(const std::vector<Neighbour>& found) {
  return neighbours(found);
}

Response json_response(const json::object& object, int status) {
  Response response;
  response.status = status;
  response.body = json::serialize(object);
  return response;
}

}  // namespace driftd::api
