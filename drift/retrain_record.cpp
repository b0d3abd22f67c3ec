#include "drift/retrain_record.hpp"

#include <cstdint>
#include <string>

#include "drift/bytes.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint8_t kVersion = 2;

void put(Writer& out, const std::vector<std::string>& texts) {
  out.put(static_cast<std::uint64_t>(texts.size()));
  for (const auto& text : texts) out.put(text);
}

std::vector<std::string> get_texts(Reader& in) {
  std::vector<std::string> texts(in.count(8));
  for (auto& text : texts) text = in.text();
  return texts;
}

void put(Writer& out, const RetrainTrial& trial) {
  out.put(trial.at_ms);
  out.put(trial.version);
  out.put(static_cast<std::uint64_t>(trial.images));
  out.put(static_cast<std::uint64_t>(trial.ood));
  out.put(static_cast<std::uint64_t>(trial.live_ood));
  out.put(trial.passed);
}

RetrainTrial get_trial(Reader& in) {
  RetrainTrial trial;
  trial.at_ms = in.get<std::int64_t>();
  trial.version = in.get<std::int64_t>();
  trial.images = in.get<std::uint64_t>();
  trial.ood = in.get<std::uint64_t>();
  trial.live_ood = in.get<std::uint64_t>();
  in.require(trial.ood <= trial.images && trial.live_ood <= trial.images, "its trial counts more images than it had");
  trial.passed = in.flag();
  return trial;
}

}  // namespace

std::vector<std::byte> encode(const RetrainRequest& request) {
  Writer out;
  out.put(kVersion);
  out.put(request.id);
  out.put(request.reference);
  put(out, request.alerts);
  put(out, request.streams);
  out.put(static_cast<std::uint8_t>(request.status));
  out.put(request.created_ms);
  out.put(request.updated_ms);
  out.put(request.reference_version);
  out.put(request.command_started_ms);
  out.put(request.exit_code.has_value());
  out.put(static_cast<std::int32_t>(request.exit_code.value_or(0)));
  out.put(request.output);
  out.put(request.trial.has_value());
  if (request.trial) put(out, *request.trial);
  return out.take();
}

RetrainRequest decode_retrain(std::span<const std::byte> bytes) {
  Reader in{bytes, "a stored retrain request"};
  const auto version = in.version(kVersion);
  RetrainRequest request;
  request.id = in.text();
  request.reference = in.text();
  request.alerts = get_texts(in);
  request.streams = get_texts(in);
  request.status = in.one_up_to(RetrainStatus::rejected, "its status is unknown");
  request.created_ms = in.get<std::int64_t>();
  request.updated_ms = in.get<std::int64_t>();
  request.reference_version = in.get<std::int64_t>();
  request.command_started_ms = in.get<std::int64_t>();
  const bool exited = in.flag();
  const auto exit_code = in.get<std::int32_t>();
  if (exited) request.exit_code = exit_code;
  request.output = in.text();
  if (version >= 2 && in.flag()) request.trial = get_trial(in);
  in.require_end();
  return request;
}

}  // namespace driftd::drift
