// A stream, as JSON: its windows, detectors and accuracy.
//
// Thread-safe: pure functions.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <vector>

#include "api/accuracy_watch.hpp"
#include "drift/feedback.hpp"
#include "drift/monitor.hpp"

namespace driftd::api {

[[nodiscard]] boost::json::object to_json(const drift::WindowSummary& window);
// null where there is no alert.
[[nodiscard]] boost::json::value to_json(const std::optional<drift::AlertSummary>& alert);
// What moved, and in which direction, in words, too.
[[nodiscard]] boost::json::array to_json(const std::vector<drift::Shift>& shifts);
[[nodiscard]] boost::json::object to_json(const drift::StreamSummary& stream);
// watch: null where the rule "accuracy" does not watch the stream.
[[nodiscard]] boost::json::object to_json(const drift::Accuracy& accuracy, const std::optional<AccuracyReading>& watch);

}  // namespace driftd::api
