#include "api/notices.hpp"

#include <utility>

#include "api/request_id.hpp"

namespace driftd::api {

std::vector<drift::Notice> Notices::of(const drift::Alert& alert, std::int64_t now_ms) const {
  std::vector<drift::Notice> notices;
  const auto event = event_of(alert);
  for (const auto& target : targets_) {
    if (!target.wants(event)) continue;
    const NoticeContext context{new_request_id(), now_ms, url_, repeat_ms_};
    notices.push_back({context.id, target.name, event, alert.id, webhook_payload(target.format, alert, context)});
  }
  return notices;
}

std::vector<drift::Notice> Notices::of(const drift::RetrainRequest& request, std::int64_t now_ms) const {
  std::vector<drift::Notice> notices;
  for (const auto& target : targets_) {
    if (!target.wants(kRetrainRequested)) continue;
    const NoticeContext context{new_request_id(), now_ms, url_, repeat_ms_};
    auto payload = webhook_payload(target.format, request, context);
    if (!payload) continue;
    notices.push_back({context.id, target.name, std::string{kRetrainRequested}, request.id, std::move(*payload)});
  }
  return notices;
}

}  // namespace driftd::api
