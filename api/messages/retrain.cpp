#include "api/messages/retrain.hpp"

#include <boost/json.hpp>
#include <utility>

#include "api/time.hpp"
#include "drift/statistics.hpp"

namespace driftd::api {

namespace json = boost::json;

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

}  // namespace driftd::api
