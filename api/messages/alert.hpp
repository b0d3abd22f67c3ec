// An alert, as JSON: what it says, what it is about, who was told and who did what.
//
// Thread-safe: pure functions.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "drift/alert.hpp"
#include "drift/breakdown.hpp"
#include "drift/delivery.hpp"
#include "drift/history.hpp"
#include "drift/silence.hpp"

namespace driftd::api {

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

}  // namespace driftd::api
