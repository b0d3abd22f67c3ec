// driftd's types as the JSON of version 1 of the API. The one place where names of fields are written.
//
// Thread-safe: pure functions. A number that is not finite becomes null: JSON has no other word for it.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/accuracy_watch.hpp"
#include "api/http.hpp"
#include "api/reference.hpp"
#include "drift/breakdown.hpp"
#include "drift/delivery.hpp"
#include "drift/feedback.hpp"
#include "drift/history.hpp"
#include "drift/monitor.hpp"
#include "drift/retrain.hpp"
#include "drift/review.hpp"
#include "drift/silence.hpp"
#include "embed/properties.hpp"

namespace driftd::api {

[[nodiscard]] boost::json::object to_json(const Score& score);
[[nodiscard]] boost::json::object to_json(const embed::Properties& properties);
[[nodiscard]] boost::json::object to_json(const drift::WindowSummary& window);
// null where there is no alert.
[[nodiscard]] boost::json::value to_json(const std::optional<drift::AlertSummary>& alert);
[[nodiscard]] boost::json::object to_json(const drift::StreamSummary& stream);
// What lists and notices say; the curve, the breakdown and the pictures are for one alert alone. silenced_until_ms: 0
// when nothing silences its stream.
[[nodiscard]] boost::json::object to_json(const drift::Alert& alert, std::int64_t silenced_until_ms = 0);
// {"at", "image", "value", "limit"} each; limit: null where there was none.
[[nodiscard]] boost::json::array to_json(const std::vector<drift::CurvePoint>& curve);
[[nodiscard]] boost::json::object to_json(const drift::Breakdown& breakdown);
// Of an alert; each with the path of its picture.
[[nodiscard]] boost::json::array to_json(const std::vector<drift::Picture>& pictures, const std::string& alert);
[[nodiscard]] boost::json::array to_json(const std::vector<drift::HistoryEntry>& history);
[[nodiscard]] boost::json::object to_json(const drift::Silence& silence);
[[nodiscard]] boost::json::object to_json(const drift::Delivery& delivery);  // without its payload
[[nodiscard]] boost::json::object to_json(const drift::RetrainRequest& request);
// watch: null where the rule "accuracy" does not watch the stream.
[[nodiscard]] boost::json::object to_json(const drift::Accuracy& accuracy, const std::optional<AccuracyReading>& watch);
[[nodiscard]] boost::json::object to_json(const drift::ReviewItem& item);
[[nodiscard]] boost::json::object to_json(const drift::ReviewEstimate& estimate);
[[nodiscard]] boost::json::object to_json(const Reference& reference);
[[nodiscard]] boost::json::object to_json(const index::VersionInfo& version);
[[nodiscard]] boost::json::object to_json(const index::Item& item);
[[nodiscard]] boost::json::array to_json(const std::vector<Neighbour>& neighbours);

[[nodiscard]] Response json_response(const boost::json::object& object, int status = 200);

}  // namespace driftd::api
