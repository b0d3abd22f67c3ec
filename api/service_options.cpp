#include "api/service_options.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

#include "api/accuracy_watch.hpp"

namespace driftd::api {

HttpOptions http_options(const ListenConfig& listen, const HttpConfig& http) {
  HttpOptions options;
  options.address = listen.address;
  options.port = listen.port;
  options.max_connections = http.max_connections;
  options.request_timeout = std::chrono::milliseconds{http.request_timeout_ms};
  return options;
}

LogLevel log_level_of(std::string_view name) {
  return name == "debug"   ? LogLevel::debug
         : name == "warn"  ? LogLevel::warn
         : name == "error" ? LogLevel::error
                           : LogLevel::info;
}

embed::EmbedderOptions embedder_options(const ModelConfig& model) {
  using Format = embed::EmbedderOptions::Format;
  const auto format = model.format == "torchscript"   ? Format::torchscript
                      : model.format == "aotinductor" ? Format::aotinductor
                                                      : Format::any;
  return {format, model.threads};
}

EmbeddingService::Options embedding_options(const Config& config) {
  return {.max_image_bytes = config.http.max_image_bytes,
          .max_pending = config.model.max_queue,
          .workers = std::max(2U, std::thread::hardware_concurrency())};
}

ScoreOptions score_options(const ScoringConfig& scoring) {
  return {drift::rule_of(scoring.rule),
          scoring.k,
          scoring.alpha,
          scoring.among == "all" ? Among::all : Among::same_label,
          {},
          scoring.per_label};
}

LiveReference::Options live_options(const StoreConfig& store, bool pictures) {
  return {.compact_share = store.compact_share,
          .compact_min = store.compact_min,
          .device = index::device_of(store.device),
          .pictures = pictures,
          .keep_versions = store.keep_versions};
}

drift::MonitorOptions monitor_options(const Config& config) {
  drift::MonitorOptions options;
  options.window = config.streams.window;
  options.window_seconds = config.streams.window_seconds;
  options.max_streams = config.streams.max_streams;
  options.rule = alert_rule(config.alerts);
  options.run_length = config.alerts.run_length;
  options.detectors = config.alerts.detectors;
  for (const auto& rule : config.alerts.rules) {
    options.rules.push_back({rule.streams, alert_rule(config.alerts, rule), rule.run_length, rule.detectors});
  }
  if (config.alerts.accuracy_run_length > 0) options.followed = {std::string{kAccuracyRule}};
  return options;
}

}  // namespace driftd::api
