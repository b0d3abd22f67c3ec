#include "api/messages/reference.hpp"

#include <boost/json.hpp>

#include "api/messages/value.hpp"
#include "drift/coverage.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

json::object search_figures(const index::SearchFigures& s) {
  return {{"nlist", s.nlist},
          {"nprobe", s.nprobe},
          {"recall_at_3", number(s.recall)},
          {"score_error", number(s.score_error)},
          {"sample", s.sample}};
}

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

}  // namespace driftd::api
