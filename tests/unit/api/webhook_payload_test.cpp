#include "api/webhook_payload.hpp"

#include <boost/json.hpp>

#include "tests/support/catch.hpp"

using namespace driftd;
using namespace driftd::api;
namespace json = boost::json;

namespace {

drift::Alert some_alert(drift::AlertState state = drift::AlertState::firing) {
  drift::Alert alert;
  alert.id = "alert-1";
  alert.stream = "line-3";
  alert.reference = "default@4";
  alert.rule = "ood-rate";
  alert.state = state;
  alert.started = {900, 9};
  alert.fired = {1000, 10};
  alert.resolved = state == drift::AlertState::resolved ? drift::Moment{5000, 50} : drift::Moment{};
  alert.rate = 0.25;
  alert.lower = 0.2;
  alert.upper = 0.3;
  alert.window = 500;
  return alert;
}

const NoticeContext kContext{"01J", 2000, "https://driftd.example", 0};

json::value payload(WebhookFormat format, drift::AlertState state = drift::AlertState::firing,
                    const NoticeContext& context = kContext) {
  return json::parse(webhook_payload(format, some_alert(state), context));
}

}  // namespace

TEST_CASE("the native format names the event and holds the alert") {
  const auto body = payload(WebhookFormat::driftd);
  CHECK(body.at("version") == 1);
  CHECK(body.at("event") == "alert.firing");
  CHECK(body.at("alert").at("id") == "alert-1");
  CHECK(content_type_of(WebhookFormat::driftd) == "application/json");
}

TEST_CASE("Alertmanager's webhook has version 4, labels, times and a fingerprint that does not change") {
  const auto firing = payload(WebhookFormat::alertmanager);
  CHECK(firing.at("version") == "4");
  CHECK(firing.at("status") == "firing");
  CHECK(firing.at("groupKey") == R"({}:{alertname="DriftdDrift", rule="ood-rate", stream="line-3"})");
  CHECK(firing.at("externalURL") == "https://driftd.example");
  const auto& alert = firing.at("alerts").at(0);
  CHECK(alert.at("startsAt") == "1970-01-01T00:00:01.000Z");
  CHECK(alert.at("endsAt") == "0001-01-01T00:00:00Z");
  CHECK(alert.at("labels").at("stream") == "line-3");
  const auto resolved = payload(WebhookFormat::alertmanager, drift::AlertState::resolved);
  CHECK(resolved.at("status") == "resolved");
  CHECK(resolved.at("alerts").at(0).at("endsAt") == "1970-01-01T00:00:05.000Z");
  CHECK(resolved.at("alerts").at(0).at("fingerprint") == alert.at("fingerprint"));
}

TEST_CASE("fingerprints are those of Prometheus") {
  // Of model.LabelSet{}.Fingerprint() and of {a="b"}: FNV-1a, 64 bits, with 0xFF after each name and value.
  CHECK(label_fingerprint({}) == "cbf29ce484222325");
  CHECK(label_fingerprint({{"a", "b"}}) != label_fingerprint({{"ab", ""}}));
  CHECK(label_fingerprint({{"name", "garland"}}).size() == 16);
}

TEST_CASE("what Alertmanager takes ends in the future while firing") {
  const auto firing = payload(WebhookFormat::alertmanager_api);
  CHECK(firing.as_array().size() == 1);
  CHECK(firing.at(0).at("endsAt") == "1970-01-31T00:00:02.000Z");
  auto repeated = kContext;
  repeated.repeat_ms = 60'000;
  CHECK(payload(WebhookFormat::alertmanager_api, drift::AlertState::firing, repeated).at(0).at("endsAt") ==
        "1970-01-01T00:04:02.000Z");
  CHECK(payload(WebhookFormat::alertmanager_api, drift::AlertState::resolved).at(0).at("endsAt") ==
        "1970-01-01T00:00:05.000Z");
}

TEST_CASE("a Slack message cannot be made to mention a channel") {
  auto alert = some_alert();
  alert.reference = "<!channel>&";
  const auto body = json::parse(webhook_payload(WebhookFormat::slack, alert, kContext));
  const std::string text{body.at("blocks").at(0).at("text").at("text").as_string()};
  CHECK(text.find("<!channel>") == std::string::npos);
  CHECK(text.find("&lt;!channel&gt;&amp;") != std::string::npos);
  CHECK(text.find("<https://driftd.example|Open driftd>") != std::string::npos);
  CHECK(body.at("text") == "Drift on stream line-3");
}

TEST_CASE("a CloudEvent has the attributes that the specification requires") {
  const auto body = payload(WebhookFormat::cloudevents);
  CHECK(body.at("specversion") == "1.0");
  CHECK(body.at("id") == "01J");
  CHECK(body.at("source") == "https://driftd.example");
  CHECK(body.at("type") == "driftd.alert.firing");
  CHECK(body.at("subject") == "alert-1");
  CHECK(body.at("data").at("stream") == "line-3");
  CHECK(content_type_of(WebhookFormat::cloudevents) == "application/cloudevents+json");
}

TEST_CASE("a retrain request is told in every format but Alertmanager's") {
  drift::RetrainRequest request;
  request.id = "driftd-retrain-1";
  request.reference = "default@4";
  request.alerts = {"alert-1"};
  request.streams = {"line-3"};
  CHECK(json::parse(*webhook_payload(WebhookFormat::driftd, request, kContext)).at("retrain").at("id") ==
        "driftd-retrain-1");
  CHECK(json::parse(*webhook_payload(WebhookFormat::cloudevents, request, kContext)).at("type") ==
        "driftd.retrain.requested");
  CHECK(webhook_payload(WebhookFormat::slack, request, kContext)->find("default@4") != std::string::npos);
  CHECK_FALSE(webhook_payload(WebhookFormat::alertmanager, request, kContext));
  CHECK_FALSE(webhook_payload(WebhookFormat::alertmanager_api, request, kContext));
}
