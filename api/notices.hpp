// Writes the notices of an event: one for each configured webhook that wants it, in that webhook's format.
//
// Thread-safe: immutable but for the ids, which are new at each call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/webhook_target.hpp"
#include "drift/alert.hpp"
#include "drift/delivery.hpp"
#include "drift/retrain.hpp"

namespace driftd::api {

class Notices {
 public:
  // url: where people find this service. repeat_ms: how often a firing alert is told again; 0: never.
  Notices(std::vector<WebhookTarget> targets, std::string url, std::int64_t repeat_ms)
      : targets_{std::move(targets)}, url_{std::move(url)}, repeat_ms_{repeat_ms} {}

  [[nodiscard]] std::vector<drift::Notice> of(const drift::Alert& alert, std::int64_t now_ms) const;
  [[nodiscard]] std::vector<drift::Notice> of(const drift::RetrainRequest& request, std::int64_t now_ms) const;
  [[nodiscard]] std::int64_t repeat_ms() const { return repeat_ms_; }

 private:
  const std::vector<WebhookTarget> targets_;
  const std::string url_;
  const std::int64_t repeat_ms_;
};

}  // namespace driftd::api
