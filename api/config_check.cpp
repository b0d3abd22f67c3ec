// What a configuration must fulfil before a service starts with it: declared in config.hpp.
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "api/config.hpp"
#include "api/webhook_payload.hpp"
#include "api/webhook_url.hpp"
#include "core/error.hpp"
#include "drift/detectors/kinds.hpp"
#include "drift/e_detector.hpp"
#include "drift/rule.hpp"
#include "drift/silence.hpp"
#include "drift/time_window.hpp"
#include "index/device.hpp"

namespace driftd::api {
namespace {

void require(bool holds, const std::string& path, const std::string& why) {
  if (!holds) throw Error{Errc::invalid_argument, "configuration: \"" + path + "\" " + why};
}

template <std::integral T>
void within(T value, std::type_identity_t<T> least, std::type_identity_t<T> most, const std::string& path,
            const std::string& unit = "") {
  require(value >= least && value <= most, path,
          "must be from " + std::to_string(least) + " to " + std::to_string(most) + unit);
}

bool one_of(std::string_view value, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), value) != names.end();
}

constexpr std::uint32_t kMaxSeconds = 30 * 24 * 3600;
constexpr std::size_t kMaxBytes = std::size_t{16} << 30;

void check_addresses(const Config& c) {
  const auto loopback = [](const std::string& address) { return address.starts_with("127.") || address == "::1"; };
  require(loopback(c.http.address) || c.http.insecure, "http.address",
          "is reachable from outside, and this version has no keys and no TLS: put a proxy in front, or set "
          "http.insecure=true");
  require(loopback(c.admin.address) || c.http.insecure, "admin.address",
          "is reachable from outside; set http.insecure=true if that is wanted");
}

void check_http(const HttpConfig& http) {
  within(http.max_connections, 1, 100'000, "http.max_connections");
  require(http.request_timeout_ms >= 100, "http.request_timeout_ms", "must be at least 100");
  require(http.max_image_bytes >= 1024, "http.max_image_bytes", "must be at least 1024");
}

void check_model(const ModelConfig& model) {
  require(one_of(model.format, {"any", "torchscript", "aotinductor"}), "model.format",
          "must be any, torchscript or aotinductor");
  within(model.threads, 0, 256, "model.threads");
  within(model.max_queue, 1, 100'000, "model.max_queue");
}

void check_scoring(const ScoringConfig& scoring) {
  require(std::ranges::any_of(drift::kRules, [&](drift::Rule rule) { return scoring.rule == drift::name_of(rule); }),
          "scoring.rule", "must be " + drift::rule_names());
  within(scoring.k, 1, 10, "scoring.k");
  require(scoring.alpha > 0 && scoring.alpha < 1, "scoring.alpha", "must lie between 0 and 1");
  require(scoring.among == "all" || scoring.among == "same_label", "scoring.among", "must be all or same_label");
}

void check_store(const StoreConfig& store) {
  (void)index::device_of(store.device);
  require(store.compact_share >= 0 && store.compact_share <= 1, "store.compact_share", "must be from 0 to 1");
  within(store.compact_min, 1, 100'000, "store.compact_min");
  within(store.keep_versions, 0, 1000, "store.keep_versions");
}

void check_streams(const StreamConfig& streams) {
  within(streams.window, 10, 1'000'000, "streams.window", " images");
  require(streams.window_seconds <= drift::TimeWindow::kMaxSeconds, "streams.window_seconds",
          "must be from 0 (off) to 2678400, a month");
  within(streams.max_streams, 1, 100'000, "streams.max_streams");
  within(streams.save_interval_ms, 10, 3'600'000, "streams.save_interval_ms");
}

void check_rule(const Config& c, const drift::AlertRule& rule, const std::string& path) {
  require(rule.threshold > 0 && rule.threshold < 1, path + ".threshold", "must lie between 0 and 1");
  require(rule.threshold > c.scoring.alpha, path + ".threshold",
          "must be above scoring.alpha, the share of images that counts as out of distribution without any drift");
  require(rule.resolve_below > 0 && rule.resolve_below <= rule.threshold, path + ".resolve_below",
          "must be over 0 and not above the threshold");
  require(rule.min_size >= 1 && rule.min_size <= c.streams.window, path + ".min_images",
          "must be from 1 to streams.window");
  within(rule.for_images, 0, 1'000'000, path + ".for_images");
  within(rule.resolve_after, 1, 1'000'000, path + ".resolve_after");
  within(rule.cooldown_images, 0, 1'000'000, path + ".cooldown_images");
  within(rule.cooldown_ms / 1000, 0, kMaxSeconds, path + ".cooldown_s");
}

void check_detectors(const Config& c, std::size_t run_length, const std::vector<std::string>& detectors,
                     const std::string& path) {
  require(run_length == 0 || (run_length >= drift::kMinRunLength && run_length <= drift::kMaxRunLength),
          path + ".run_length", "must be 0 (only the rates watch) or from 1000 to 200000 images");
  for (const auto& name : detectors) {
    const auto* kind = drift::detector_kind(name);
    require(kind != nullptr && std::ranges::count(detectors, name) == 1, path + ".detectors",
            "must hold some of " + drift::detector_names() + ", each once");
    require(!kind->by_time || c.streams.window_seconds > 0, path + ".detectors",
            "holds " + name + ", which needs streams.window_seconds");
    require(name != "ood-count" || run_length == 0 || run_length >= 10 * c.streams.window, path + ".run_length",
            "must be at least 10 times streams.window for ood-count: one window in ten would be a false alarm");
  }
}

void check_rules(const Config& c) {
  check_rule(c, alert_rule(c.alerts), "alerts");
  check_detectors(c, c.alerts.run_length, c.alerts.detectors, "alerts");
  for (std::size_t i = 0; i < c.alerts.rules.size(); ++i) {
    const auto& rule = c.alerts.rules[i];
    const auto path = "alerts.rules[" + std::to_string(i) + "]";
    require(drift::is_stream_pattern(rule.streams), path + ".streams",
            "must be a pattern of stream names: 1 to 64 of A-Z a-z 0-9 . _ - * ?");
    check_rule(c, alert_rule(c.alerts, rule), path);
    check_detectors(c, rule.run_length.value_or(c.alerts.run_length), rule.detectors.value_or(c.alerts.detectors),
                    path);
  }
}

void check_alerts(const AlertConfig& alerts) {
  require(alerts.repeat_s == 0 || (alerts.repeat_s >= 60 && alerts.repeat_s <= kMaxSeconds), "alerts.repeat_s",
          "must be 0 (told once) or from 60 to 2592000");
  require(
      alerts.accuracy_run_length == 0 || (alerts.accuracy_run_length >= 100 && alerts.accuracy_run_length <= 1'000'000),
      "alerts.accuracy_run_length", "must be 0 (rule accuracy is off) or from 100 to 1000000 labels");
  require(alerts.accuracy_drop >= 0 && alerts.accuracy_drop < 1, "alerts.accuracy_drop",
          "must be at least 0 and below 1");
  require(alerts.thumbnail_bytes <= 16 << 20, "alerts.thumbnail_bytes",
          "must be from 0 (no pictures) to 16777216, 16 MiB an alert");
  require(alerts.picture_buffer_bytes <= kMaxBytes, "alerts.picture_buffer_bytes",
          "must be from 0 (no pictures) to 17179869184, 16 GiB");
}

void check_webhook(const WebhookConfig& hook) {
  (void)parse_webhook_url(hook.url);
  require(webhook_format_of(hook.format).has_value(), "webhooks.format",
          "must be driftd, alertmanager, alertmanager-api, slack or cloudevents");
  for (const auto& event : hook.events) {
    require(one_of(event, {"alert.firing", "alert.resolved", kRetrainRequested}), "webhooks.events",
            "must hold alert.firing, alert.resolved or retrain.requested");
  }
  require(hook.name.size() <= 64, "webhooks.name", "must have at most 64 bytes");
  within(hook.timeout_ms, 100, 30'000, "webhooks.timeout_ms");
  within(hook.max_attempts, 1, 1000, "webhooks.max_attempts");
}

void check_retrain(const RetrainConfig& retrain) {
  require(one_of(retrain.mode, {"off", "suggest", "auto"}), "retrain.mode", "must be off, suggest or auto");
  require(retrain.mode != "auto" || !retrain.command.empty(), "retrain.mode",
          "auto needs retrain.command: nothing else would begin the training");
  require(retrain.command.size() <= 64 && (retrain.command.empty() || !retrain.command.front().empty()),
          "retrain.command", "must be a program and at most 63 arguments");
  within(retrain.command_timeout_s, 1, kMaxSeconds, "retrain.command_timeout_s");
  require(one_of(retrain.activate, {"never", "shadow"}), "retrain.activate", "must be never or shadow");
  require(retrain.activate_below > 0 && retrain.activate_below < 1, "retrain.activate_below",
          "must lie between 0 and 1");
  within(retrain.activate_min_images, 1, 1'000'000, "retrain.activate_min_images");
}

void check_review(const ReviewConfig& review) {
  require(review.max_items <= 5000, "review.max_items", "must be from 0 (no review queue) to 5000");
  within(review.max_bytes, 0, kMaxBytes, "review.max_bytes", ", 16 GiB");
  require(review.random_share >= 0 && review.random_share <= 1, "review.random_share", "must be from 0 to 1");
  require(review.stream_share > 0 && review.stream_share <= 1, "review.stream_share", "must be over 0 and at most 1");
  within(review.image_side, 32, 4096, "review.image_side", " pixels");
}

void check_shadow(const Config& c) {
  require(c.shadow.window <= 100'000, "shadow.window", "must be from 0 (off) to 100000 images");
  within(c.shadow.max_bytes, 0, kMaxBytes, "shadow.max_bytes", ", 16 GiB");
  require(c.retrain.activate == "never" || c.shadow.window >= c.retrain.activate_min_images,
          "retrain.activate_min_images",
          "must be at most shadow.window, or no version would ever be tried on enough images");
}

}  // namespace

void check_config(const Config& c) {
  check_addresses(c);
  check_model(c.model);
  require(c.references.contains("default"), "references",
          "must name a reference called \"default\"; make one with: driftd index build");
  require(!c.data_directory.empty(), "data_directory",
          "must name a folder of driftd's own: windows, alerts and unsent webhooks live there");
  check_scoring(c.scoring);
  check_store(c.store);
  check_streams(c.streams);
  check_rules(c);
  check_alerts(c.alerts);
  require(one_of(c.log_level, {"debug", "info", "warn", "error"}), "log_level", "must be debug, info, warn or error");
  check_http(c.http);
  for (const auto& hook : c.webhooks) check_webhook(hook);
  check_retrain(c.retrain);
  check_review(c.review);
  check_shadow(c);
}

}  // namespace driftd::api
