// What a webhook carries: an event of an alert or a retrain request, in the format that its receiver reads.
//
//   driftd            {"version": 1, "event": "alert.firing", "alert": {...}}
//   alertmanager      what Alertmanager sends to its receivers (webhook version 4)
//   alertmanager-api  what Alertmanager itself takes at POST /api/v2/alerts
//   slack             a message for an incoming webhook of Slack, Mattermost or Rocket.Chat
//   cloudevents       CloudEvents 1.0, structured mode
// Thread-safe: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "drift/alert.hpp"
#include "drift/retrain.hpp"

namespace driftd::api {

enum class WebhookFormat { driftd, alertmanager, alertmanager_api, slack, cloudevents };

[[nodiscard]] std::optional<WebhookFormat> webhook_format_of(std::string_view name);
[[nodiscard]] std::string_view content_type_of(WebhookFormat format);

// Names of the events: "alert.firing", "alert.resolved", "retrain.requested".
[[nodiscard]] std::string event_of(const drift::Alert& alert);
inline constexpr std::string_view kRetrainRequested = "retrain.requested";

struct NoticeContext {
  std::string id;              // of the notice
  std::int64_t now_ms = 0;     // when the event happened
  std::string url;             // where people find this service, without a slash at the end; may be empty
  std::int64_t repeat_ms = 0;  // a firing alert is told again so often; 0: never
};

[[nodiscard]] std::string webhook_payload(WebhookFormat format, const drift::Alert& alert,
                                          const NoticeContext& context);

// Nothing for the formats of Alertmanager, which knows alerts only.
[[nodiscard]] std::optional<std::string> webhook_payload(WebhookFormat format, const drift::RetrainRequest& request,
                                                         const NoticeContext& context);

// The fingerprint that Prometheus and Alertmanager give to a set of labels: FNV-1a over its sorted names and values.
[[nodiscard]] std::string label_fingerprint(
    std::initializer_list<std::pair<std::string_view, std::string_view>> sorted);

}  // namespace driftd::api
