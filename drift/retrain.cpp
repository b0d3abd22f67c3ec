#include "drift/retrain.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "core/digest.hpp"

namespace driftd::drift {
namespace {

using enum RetrainStatus;

constexpr std::array kNames{std::string_view{"requested"}, std::string_view{"accepted"},  std::string_view{"training"},
                            std::string_view{"ready"},     std::string_view{"activated"}, std::string_view{"failed"},
                            std::string_view{"rejected"}};

}  // namespace

std::string_view name_of(RetrainStatus status) {
  return kNames.at(static_cast<std::size_t>(status));
}

std::optional<RetrainStatus> retrain_status_of(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<RetrainStatus>(found - kNames.begin());
}

bool is_open(RetrainStatus status) {
  return status != activated && status != failed && status != rejected;
}

bool may_follow(RetrainStatus from, RetrainStatus to) {
  switch (from) {
    case requested:
      return to == accepted || to == rejected;
    case accepted:
      return to == training || to == failed || to == rejected;
    case training:
      return to == ready || to == failed;
    case ready:
      return to == activated || to == failed || to == rejected;
    case activated:
    case failed:
    case rejected:
      return false;
  }
  return false;
}

std::string retrain_key(std::string_view reference, std::string_view alert_id) {
  const auto text = std::string{reference} + "\n" + std::string{alert_id};
  return "driftd-retrain-" + sha256(std::as_bytes(std::span{text})).substr(0, 16);
}

bool join(RetrainRequest& request, const std::string& alert_id, const std::string& stream) {
  const auto has = [](const auto& list, const auto& value) { return std::ranges::find(list, value) != list.end(); };
  if (has(request.alerts, alert_id) || request.alerts.size() >= RetrainRequest::kMaxAlerts) return false;
  request.alerts.push_back(alert_id);
  if (!has(request.streams, stream)) request.streams.push_back(stream);
  return true;
}

}  // namespace driftd::drift
