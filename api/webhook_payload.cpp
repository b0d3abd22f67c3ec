#include "api/webhook_payload.hpp"

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <utility>

#include "api/accuracy_watch.hpp"
#include "api/messages/alert.hpp"
#include "api/messages/retrain.hpp"
#include "api/time.hpp"

namespace driftd::api {
namespace {

namespace json = boost::json;

constexpr std::array<std::pair<std::string_view, WebhookFormat>, 5> kFormats{
    {{"driftd", WebhookFormat::driftd},
     {"alertmanager", WebhookFormat::alertmanager},
     {"alertmanager-api", WebhookFormat::alertmanager_api},
     {"slack", WebhookFormat::slack},
     {"cloudevents", WebhookFormat::cloudevents}}};
constexpr const char* kAlertName = "DriftdDrift";
constexpr std::int64_t kDay = 24LL * 3600 * 1000;

std::string percent(double rate) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f%%", 100 * rate);
  return text.data();
}

std::string summary(const drift::Alert& alert) {
  const bool firing = alert.state == drift::AlertState::firing;
  return (firing ? "Drift on stream " : "Drift is over on stream ") + alert.stream;
}

std::string description(const drift::Alert& alert) {
  const std::string cause = alert.rule == kAccuracyRule
                                ? "The neighbours' vote is wrong more often than on the reference's own images. "
                                : "";
  return cause + percent(alert.rate) + " of the last " + std::to_string(alert.window) +
         " images were out of distribution (95% bounds " + percent(alert.lower) + " to " + percent(alert.upper) +
         ") when rule " + alert.rule + " fired at image " + std::to_string(alert.fired.image) + ". Reference " +
         alert.reference + ", alert " + alert.id + ".";
}

// --- Alertmanager ---

json::object labels_of(const drift::Alert& alert) {
  return {{"alertname", kAlertName}, {"reference", alert.reference}, {"rule", alert.rule}, {"stream", alert.stream}};
}

json::object alertmanager_alert(const drift::Alert& alert, const NoticeContext& context, std::string_view ends) {
  return {{"labels", labels_of(alert)},
          {"annotations", {{"summary", summary(alert)}, {"description", description(alert)}, {"alert_id", alert.id}}},
          {"startsAt", rfc3339(alert.fired.at_ms)},
          {"endsAt", ends},
          {"generatorURL", context.url}};
}

json::object alertmanager_webhook(const drift::Alert& alert, const NoticeContext& context) {
  const bool firing = alert.state == drift::AlertState::firing;
  const auto* status = firing ? "firing" : "resolved";
  auto one = alertmanager_alert(alert, context, firing ? "0001-01-01T00:00:00Z" : rfc3339(alert.resolved.at_ms));
  one["status"] = status;
  one["fingerprint"] = label_fingerprint(
      {{"alertname", kAlertName}, {"reference", alert.reference}, {"rule", alert.rule}, {"stream", alert.stream}});
  const auto annotations = one["annotations"];
  return {{"version", "4"},
          {"groupKey", std::string{"{}:{alertname=\""} + kAlertName + "\", rule=\"" + alert.rule + "\", stream=\"" +
                           alert.stream + "\"}"},
          {"truncatedAlerts", 0},
          {"status", status},
          {"receiver", "driftd"},
          {"groupLabels", {{"alertname", kAlertName}, {"rule", alert.rule}, {"stream", alert.stream}}},
          {"commonLabels", labels_of(alert)},
          {"commonAnnotations", annotations},
          {"externalURL", context.url},
          {"alerts", json::array{one}}};
}

// Alertmanager takes an alert for resolved once endsAt is past: a firing one lasts until well after it would be told
// again.
json::array alertmanager_post(const drift::Alert& alert, const NoticeContext& context) {
  const bool firing = alert.state == drift::AlertState::firing;
  const auto lasts = context.repeat_ms > 0 ? 4 * context.repeat_ms : 30 * kDay;
  return {alertmanager_alert(alert, context, rfc3339(firing ? context.now_ms + lasts : alert.resolved.at_ms))};
}

// --- Slack ---

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

json::object slack(std::string_view title, std::string_view body, const NoticeContext& context) {
  auto text = "*" + escaped(title) + "*\n" + escaped(body);
  if (!context.url.empty()) text += "\n<" + escaped(context.url) + "|Open driftd>";
  return {{"text", escaped(title)},  // what notifications show
          {"blocks", json::array{{{"type", "section"}, {"text", {{"type", "mrkdwn"}, {"text", text}}}}}}};
}

// --- The rest ---

json::object cloudevent(std::string_view event, std::string_view subject, json::object data,
                        const NoticeContext& context) {
  return {{"specversion", "1.0"},
          {"id", context.id},
          {"source", context.url.empty() ? "/driftd" : context.url},
          {"type", "driftd." + std::string{event}},
          {"subject", subject},
          {"time", rfc3339(context.now_ms)},
          {"datacontenttype", "application/json"},
          {"data", std::move(data)}};
}

}  // namespace

std::optional<WebhookFormat> webhook_format_of(std::string_view name) {
  for (const auto& [known, format] : kFormats) {
    if (known == name) return format;
  }
  return std::nullopt;
}

std::string_view content_type_of(WebhookFormat format) {
  return format == WebhookFormat::cloudevents ? "application/cloudevents+json" : "application/json";
}

std::string event_of(const drift::Alert& alert) {
  return "alert." + std::string{drift::name_of(alert.state)};
}

std::string webhook_payload(WebhookFormat format, const drift::Alert& alert, const NoticeContext& context) {
  switch (format) {
    case WebhookFormat::driftd:
      return json::serialize(json::object{{"version", 1}, {"event", event_of(alert)}, {"alert", to_json(alert)}});
    case WebhookFormat::alertmanager:
      return json::serialize(alertmanager_webhook(alert, context));
    case WebhookFormat::alertmanager_api:
      return json::serialize(alertmanager_post(alert, context));
    case WebhookFormat::slack:
      return json::serialize(slack(summary(alert), description(alert), context));
    case WebhookFormat::cloudevents:
      return json::serialize(cloudevent(event_of(alert), alert.id, to_json(alert), context));
  }
  return {};
}

std::optional<std::string> webhook_payload(WebhookFormat format, const drift::RetrainRequest& request,
                                           const NoticeContext& context) {
  switch (format) {
    case WebhookFormat::driftd:
      return json::serialize(json::object{{"version", 1}, {"event", kRetrainRequested}, {"retrain", to_json(request)}});
    case WebhookFormat::alertmanager:
    case WebhookFormat::alertmanager_api:
      return std::nullopt;
    case WebhookFormat::slack:
      return json::serialize(slack("Retraining is asked for: reference " + request.reference,
                                   "Request " + request.id + ", " + std::string{drift::name_of(request.status)} +
                                       ", after alert " + request.alerts.front() + " on stream " +
                                       request.streams.front() + ".",
                                   context));
    case WebhookFormat::cloudevents:
      return json::serialize(cloudevent(kRetrainRequested, request.id, to_json(request), context));
  }
  return std::nullopt;
}

std::string label_fingerprint(std::initializer_list<std::pair<std::string_view, std::string_view>> sorted) {
  std::uint64_t hash = 14695981039346656037U;
  const auto add = [&](std::string_view bytes) {
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211U;
    hash = (hash ^ 0xFF) * 1099511628211U;  // a byte that no UTF-8 text holds
  };
  for (const auto& [name, value] : sorted) {
    add(name);
    add(value);
  }
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

}  // namespace driftd::api
