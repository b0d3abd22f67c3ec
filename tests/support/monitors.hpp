// Monitors that decide after few images, and images for them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "drift/monitor.hpp"

namespace driftd::test {

inline const drift::ReferenceVersion kReference{"default@1", 1000, 0.05};

// Fires after 10 strange images, resolves 3 images after the rate fell below a half. Without the e-detector.
inline drift::MonitorOptions quick() {
  drift::MonitorOptions options;
  options.window = 10;
  options.rule = {.threshold = 0.5, .resolve_below = 0.5, .min_size = 5, .for_images = 2, .resolve_after = 3};
  options.run_length = 0;
  options.max_streams = 3;
  options.max_alerts = 2;
  return options;
}

// The window's rule asks for more than strange() and normal() images give it.
inline drift::MonitorOptions with_detector() {
  drift::MonitorOptions options;
  options.rule.threshold = 0.9;
  options.rule.resolve_after = 20;
  return options;
}

inline drift::Result strange(double p = 0.001) {
  return {5, p, true, 1.5, "request", {{"7", "cat", "train/7.png", 0.9}}};
}
inline drift::Result normal() {
  return {0, 0.5, false, 0.4, "", {}};
}

struct Recorder {
  std::vector<drift::Alert> alerts;
  std::function<void(const drift::Event&)> receiver() {
    return [this](const drift::Event& event) { alerts.push_back(event.alert); };
  }
};

// The same image so many times; the last answer.
inline drift::Observation observe(drift::Monitor& monitor, const drift::Result& result, int times,
                                  const std::string& stream = "line-1") {
  drift::Observation last;
  for (int i = 0; i < times; ++i) last = monitor.observe(stream, kReference, result, 1000 + i);
  return last;
}

}  // namespace driftd::test
