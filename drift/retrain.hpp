// A request to retrain the model, or to renew the reference, that an alert has raised, and the states it goes through.
//
//   requested -> accepted -> training -> ready -> activated
//   requested -> rejected;  accepted, training, ready -> failed;  accepted, ready -> rejected
// While a request about a version of a reference is open, further alerts against that version join it: many streams
// that drift together need one training, not many.
//
// Thread-safe: values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace driftd::drift {

enum class RetrainStatus { requested, accepted, training, ready, activated, failed, rejected };
[[nodiscard]] std::string_view name_of(RetrainStatus status);
[[nodiscard]] std::optional<RetrainStatus> retrain_status_of(std::string_view name);

// Open: neither activated nor failed nor rejected.
[[nodiscard]] bool is_open(RetrainStatus status);
[[nodiscard]] bool may_follow(RetrainStatus from, RetrainStatus to);

// How a finished version did on recent images, next to the one that was live (api/shadow.hpp).
struct RetrainTrial {
  std::int64_t at_ms = 0;
  std::int64_t version = 0;
  std::size_t images = 0;
  std::size_t ood = 0;
  std::size_t live_ood = 0;
  bool passed = false;  // retrain.activate lets it go live
};

struct RetrainRequest {
  std::string id;  // the idempotency key: "driftd-retrain-<16 hexadecimal digits>", a legal name of a Kubernetes object
  std::string reference;             // "default@4", what the alerts compared with
  std::vector<std::string> alerts;   // ids, the first one raised the request; at most kMaxAlerts
  std::vector<std::string> streams;  // of these alerts, each once
  RetrainStatus status = RetrainStatus::requested;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  std::int64_t reference_version = 0;   // what came of it, told by whoever trained; 0: not told
  std::int64_t command_started_ms = 0;  // 0: retrain.command has not run
  std::optional<int> exit_code;         // of the command; 128 + n when signal n ended it
  std::string output;                   // the end of what the command wrote
  std::optional<RetrainTrial> trial;    // of reference_version, or of the one before it

  static constexpr std::size_t kMaxAlerts = 100;
};

// The same for the same alert: whoever asks twice gets one request.
[[nodiscard]] std::string retrain_key(std::string_view reference, std::string_view alert_id);

// Adds an alert to an open request. False when it is in it already, or the request has as many as it may.
bool join(RetrainRequest& request, const std::string& alert_id, const std::string& stream);

}  // namespace driftd::drift
