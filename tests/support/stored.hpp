// What a Store keeps, with something in every field.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "drift/store.hpp"

namespace driftd::test {

inline drift::Alert some_alert(const std::string& id, drift::AlertState state, std::int64_t fired_ms = 100) {
  drift::Alert alert;
  alert.id = id;
  alert.stream = "line-1";
  alert.reference = "default@4";
  alert.rule = "ood-rate";
  alert.state = state;
  alert.started = {90, 9};
  alert.fired = {fired_ms, 10};
  alert.rate = 0.4;
  alert.lower = 0.3;
  alert.upper = 0.5;
  alert.window = 500;
  alert.threshold = 0.1;
  alert.false_alarm_per_image = 1e-6;
  alert.acknowledged_ms = 7;
  alert.moved = {{"brightness", false, 0.1, 0.75}};
  alert.evidence = {{"r\0q", 3, 4.5, 0.01, 0.8, {{"17", "bag", "train/bag/17.png", 0.7}, {}}}};
  alert.curve = {{{80, 8}, 0.5F, 0.1F}, {{100, 10}, 0.75F, std::numeric_limits<float>::infinity()}};
  return alert;
}

inline drift::StreamState some_stream(const std::string& name) {
  drift::StreamState stream;
  stream.name = name;
  stream.reference = "default@4";
  stream.first_ms = 1;
  stream.last_ms = 2;
  stream.window = {{true, false, true}, 30, 12};
  stream.time_window = {60, {{1000, 5, 2}, {1001, 3, 0}}};
  drift::EDetector::Channel width{"properties", "width", true,
                                  drift::RankHistogram::of_values(std::vector<float>(9, 28))};
  for (int i = 0; i < 300; ++i) width.ranks.learn(28);
  width.ranks.settle();
  width.ranks.learn(27);
  width.lower[1] = {0.1 + 0.2, {80, 8}};
  width.recent_rank = 0.25;
  stream.rules = {
      {"ood-rate", {{drift::AlertMachine::Phase::pending, {90, 9}, 4}, ""}, {{}, {0.125}, {}}, {{{80, 8}, 0.5F, 0.1F}}},
      {"e-detector",
       {{drift::AlertMachine::Phase::firing, {80, 8}, 2}, "a"},
       {{drift::score_channel(300), width}, {}, {}},
       {}},
      {"ks", {}, {{}, {3, 0.1 + 0.2, -1}, {70, 7}}, {}}};
  stream.candidates = {{"r", 29, 4.5, 0.01, 0.8, {}}};
  return stream;
}

inline drift::Notice notice(const std::string& id, const std::string& target = "ops",
                            const std::string& payload = "{}") {
  return {id, target, "alert.firing", "a", payload};
}

// How many notices are in that state.
inline std::size_t notices_in(const drift::Store& store, drift::DeliveryState state) {
  return store.deliveries({.state = state, .limit = 100'000}).size();
}

}  // namespace driftd::test
