#include "drift/records.hpp"

#include <cmath>
#include <limits>

#include "drift/bytes.hpp"
#include "drift/moment_record.hpp"
#include "drift/near_image_record.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint8_t kAlertVersion = 3;
constexpr std::uint8_t kStreamVersion = 4;
constexpr std::uint8_t kRetrainVersion = 2;

void put(Writer& out, const std::vector<Evidence>& all) {
  out.put(static_cast<std::uint64_t>(all.size()));
  for (const auto& evidence : all) {
    out.put(evidence.request_id);
    out.put(evidence.image);
    out.put(evidence.score);
    out.put(evidence.p_value);
    out.put(evidence.distance);
    put(out, evidence.neighbours);
  }
}

std::vector<Evidence> get_evidence(Reader& in) {
  std::vector<Evidence> all(in.count(48));  // two lengths and four numbers
  for (auto& evidence : all) {
    evidence.request_id = in.text();
    evidence.image = in.get<std::uint64_t>();
    evidence.score = get_finite(in);
    evidence.p_value = get_finite(in);
    evidence.distance = get_finite(in);
    evidence.neighbours = get_near_images(in);
  }
  return all;
}

void put(Writer& out, const Window::State& window) {
  out.put(static_cast<std::uint64_t>(window.flags.size()));
  for (const bool flag : window.flags) out.put(static_cast<std::uint8_t>(flag ? 1 : 0));
  out.put(window.total);
  out.put(window.total_flagged);
}

Window::State get_window(Reader& in) {
  Window::State window;
  window.flags.resize(in.count(1));
  for (auto&& flag : window.flags) flag = in.get<std::uint8_t>() != 0;
  window.total = in.get<std::uint64_t>();
  window.total_flagged = in.get<std::uint64_t>();
  in.require(window.total_flagged <= window.total && window.flags.size() <= window.total, "its counts contradict");
  return window;
}

void put(Writer& out, const TimeWindow::State& window) {
  out.put(window.seconds);
  out.put(static_cast<std::uint64_t>(window.buckets.size()));
  for (const auto& bucket : window.buckets) {
    out.put(bucket.slice);
    out.put(bucket.size);
    out.put(bucket.flagged);
  }
}

TimeWindow::State get_time_window(Reader& in) {
  TimeWindow::State window;
  window.seconds = in.get<std::uint32_t>();
  window.buckets.resize(in.count(16));
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  for (auto& bucket : window.buckets) {
    bucket.slice = in.get<std::int64_t>();
    bucket.size = in.get<std::uint32_t>();
    bucket.flagged = in.get<std::uint32_t>();
    in.require(bucket.slice > last && bucket.flagged <= bucket.size, "its window by time contradicts");
    last = bucket.slice;
  }
  in.require(window.buckets.size() <= TimeWindow::kBuckets, "its window by time is too long");
  return window;
}

void put(Writer& out, const WatchState& watch) {
  out.put(static_cast<std::uint8_t>(watch.machine.phase));
  put(out, watch.machine.started);
  out.put(watch.machine.held);
  out.put(watch.alert_id);
}

WatchState get_watch(Reader& in) {
  WatchState watch;
  const auto phase = in.get<std::uint8_t>();
  in.require(phase <= static_cast<std::uint8_t>(AlertMachine::Phase::firing), "its phase is unknown");
  watch.machine.phase = static_cast<AlertMachine::Phase>(phase);
  watch.machine.started = get_moment(in);
  watch.machine.held = in.get<std::uint64_t>();
  watch.alert_id = in.text();
  return watch;
}

void put(Writer& out, const EDetector::Bets& bets) {
  for (const auto& bet : bets) {
    out.put(bet.wealth);
    put(out, bet.since);
  }
}

EDetector::Bets get_bets(Reader& in) {
  EDetector::Bets bets;
  for (auto& bet : bets) {
    bet.wealth = get_finite(in);
    in.require(bet.wealth >= 0, "a detector's wealth is negative");
    bet.since = get_moment(in);
  }
  return bets;
}

std::uint8_t get_version(Reader& in, std::uint8_t newest) {
  const auto version = in.get<std::uint8_t>();
  in.require(version >= 1 && version <= newest, "its version never existed");
  return version;
}

// Version 1 kept silences with the alert and the stream.
void skip_silence(Reader& in, std::uint8_t version) {
  if (version == 1) (void)in.get<std::int64_t>();
}

void put(Writer& out, const std::vector<std::string>& texts) {
  out.put(static_cast<std::uint64_t>(texts.size()));
  for (const auto& text : texts) out.put(text);
}

std::vector<std::string> get_texts(Reader& in) {
  std::vector<std::string> texts(in.count(8));
  for (auto& text : texts) text = in.text();
  return texts;
}

// Version 1 knew one channel, ranked against the reference alone: such a detector starts again.
void skip_detector(Reader& in) {
  (void)get_bets(in);
}

// Counts are small but for a few: seven bits a byte, the lowest first (LEB128).
void put_counts(Writer& out, const std::vector<std::uint32_t>& counts) {
  for (auto count : counts) {
    for (; count >= 0x80; count >>= 7) out.put(static_cast<std::uint8_t>(count | 0x80));
    out.put(static_cast<std::uint8_t>(count));
  }
}

// Versions 1 and 2 wrote four bytes a count.
void get_counts(Reader& in, std::vector<std::uint32_t>& counts, std::uint8_t version) {
  for (auto& count : counts) {
    if (version <= 2) {
      count = in.get<std::uint32_t>();
      continue;
    }
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = in.get<std::uint8_t>();
      in.require(shift < 35, "a count has too many digits");
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) break;
    }
    in.require(value <= std::numeric_limits<std::uint32_t>::max(), "a count is too large");
    count = static_cast<std::uint32_t>(value);
  }
}

void put(Writer& out, const std::vector<EDetector::Channel>& channels) {
  out.put(static_cast<std::uint64_t>(channels.size()));
  for (const auto& channel : channels) {
    out.put(channel.group);
    out.put(channel.name);
    out.put(static_cast<std::uint8_t>(channel.both_ends ? 1 : 0));
    out.put(std::span{channel.ranks.state().edges});
    put_counts(out, channel.ranks.state().places);
    put_counts(out, channel.ranks.state().learned);
    put_counts(out, channel.ranks.state().waiting);
    put(out, channel.upper);
    put(out, channel.lower);
    out.put(channel.recent_rank);
    out.put(channel.images);
  }
}

EDetector::Channel get_channel(Reader& in, std::uint8_t version) {
  auto group = in.text();
  auto name = in.text();
  const bool both_ends = in.get<std::uint8_t>() != 0;
  RankHistogram::State ranks;
  ranks.edges = in.floats();
  ranks.places.resize(ranks.edges.size() + 1);
  ranks.learned.resize(ranks.edges.size() + 1);
  ranks.waiting.resize(ranks.edges.size() + 1);
  get_counts(in, ranks.places, version);
  get_counts(in, ranks.learned, version);
  get_counts(in, ranks.waiting, version);
  in.require(RankHistogram::sound(ranks), "a detector's ranks contradict");
  EDetector::Channel channel{std::move(group), std::move(name), both_ends, RankHistogram{std::move(ranks)}};
  channel.upper = get_bets(in);
  channel.lower = get_bets(in);
  channel.recent_rank = get_finite(in);
  channel.images = in.get<std::uint64_t>();
  return channel;
}

std::vector<EDetector::Channel> get_channels(Reader& in, std::uint8_t version) {
  std::vector<EDetector::Channel> channels;
  for (auto left = in.count(1); left > 0; --left) channels.push_back(get_channel(in, version));
  return channels;
}

void put(Writer& out, const std::vector<CurvePoint>& curve) {
  out.put(static_cast<std::uint64_t>(curve.size()));
  for (const auto& point : curve) {
    put(out, point.at);
    out.put(point.value);
    out.put(point.limit);
  }
}

std::vector<CurvePoint> get_curve(Reader& in) {
  std::vector<CurvePoint> curve(in.count(24));
  std::uint64_t last = 0;
  for (auto& point : curve) {
    point.at = get_moment(in);
    point.value = in.get<float>();
    point.limit = in.get<float>();
    in.require(point.at.image >= last && std::isfinite(point.value), "its curve contradicts");
    last = point.at.image;
  }
  return curve;
}

void put(Writer& out, const std::vector<RuleState>& rules) {
  out.put(static_cast<std::uint64_t>(rules.size()));
  for (const auto& [name, watch, detector, curve] : rules) {
    out.put(name);
    put(out, watch);
    put(out, detector.channels);
    out.put(static_cast<std::uint64_t>(detector.numbers.size()));
    for (const auto number : detector.numbers) out.put(number);
    put(out, detector.begun);
    put(out, curve);
  }
}

std::vector<RuleState> get_rules(Reader& in, std::uint8_t version) {
  std::vector<RuleState> rules(in.count(1));
  for (auto& [name, watch, detector, curve] : rules) {
    name = in.text();
    watch = get_watch(in);
    detector.channels = get_channels(in, version);
    detector.numbers.resize(in.count(sizeof(double)));
    for (auto& number : detector.numbers) number = get_finite(in);
    detector.begun = get_moment(in);
    if (version >= 4) curve = get_curve(in);
  }
  return rules;
}

// Versions 1 and 2 knew two rules.
std::vector<RuleState> get_two_rules(Reader& in, std::uint8_t version) {
  RuleState rate{std::string{kRateRule}, get_watch(in), {}, {}};
  RuleState drift{std::string{kDetectorRule}, {}, {}, {}};
  if (version == 1) skip_detector(in);
  if (version == 2) drift.detector.channels = get_channels(in, version);
  drift.watch = get_watch(in);
  return {std::move(rate), std::move(drift)};
}

void put(Writer& out, const std::vector<Shift>& shifts) {
  out.put(static_cast<std::uint64_t>(shifts.size()));
  for (const auto& shift : shifts) {
    out.put(shift.name);
    out.put(static_cast<std::uint8_t>(shift.upper ? 1 : 0));
    out.put(shift.rank);
    out.put(shift.share);
  }
}

std::vector<Shift> get_shifts(Reader& in) {
  std::vector<Shift> shifts(in.count(25));  // a length, a flag and two numbers
  for (auto& shift : shifts) {
    shift.name = in.text();
    shift.upper = in.get<std::uint8_t>() != 0;
    shift.rank = get_finite(in);
    shift.share = get_finite(in);
  }
  return shifts;
}

}  // namespace

std::vector<std::byte> encode(const Alert& alert) {
  Writer out;
  out.put(kAlertVersion);
  out.put(alert.id);
  out.put(alert.stream);
  out.put(alert.reference);
  out.put(alert.rule);
  out.put(static_cast<std::uint8_t>(alert.state));
  put(out, alert.started);
  put(out, alert.fired);
  put(out, alert.resolved);
  out.put(alert.rate);
  out.put(alert.lower);
  out.put(alert.upper);
  out.put(static_cast<std::uint64_t>(alert.window));
  out.put(alert.threshold);
  out.put(alert.false_alarm_per_image);
  out.put(alert.acknowledged_ms);
  put(out, alert.evidence);
  put(out, alert.moved);
  put(out, alert.curve);
  return out.take();
}

Alert decode_alert(std::span<const std::byte> bytes) {
  Reader in{bytes, "a stored alert"};
  const auto version = get_version(in, kAlertVersion);
  Alert alert;
  alert.id = in.text();
  alert.stream = in.text();
  alert.reference = in.text();
  alert.rule = in.text();
  const auto state = in.get<std::uint8_t>();
  in.require(state <= static_cast<std::uint8_t>(AlertState::resolved), "its state is unknown");
  alert.state = static_cast<AlertState>(state);
  alert.started = get_moment(in);
  alert.fired = get_moment(in);
  alert.resolved = get_moment(in);
  alert.rate = get_finite(in);
  alert.lower = get_finite(in);
  alert.upper = get_finite(in);
  alert.window = in.get<std::uint64_t>();
  alert.threshold = get_finite(in);
  alert.false_alarm_per_image = get_finite(in);
  alert.acknowledged_ms = in.get<std::int64_t>();
  skip_silence(in, version);
  alert.evidence = get_evidence(in);
  if (version >= 2) alert.moved = get_shifts(in);
  if (version >= 3) alert.curve = get_curve(in);
  in.require_end();
  return alert;
}

std::vector<std::byte> encode(const StreamState& stream) {
  Writer out;
  out.put(kStreamVersion);
  out.put(stream.name);
  out.put(stream.reference);
  out.put(stream.first_ms);
  out.put(stream.last_ms);
  put(out, stream.window);
  put(out, stream.rules);
  put(out, stream.candidates);
  put(out, stream.time_window);
  return out.take();
}

StreamState decode_stream(std::span<const std::byte> bytes) {
  Reader in{bytes, "a stored stream"};
  const auto version = get_version(in, kStreamVersion);
  StreamState stream;
  stream.name = in.text();
  stream.reference = in.text();
  stream.first_ms = in.get<std::int64_t>();
  stream.last_ms = in.get<std::int64_t>();
  skip_silence(in, version);
  stream.window = get_window(in);
  stream.rules = version <= 2 ? get_two_rules(in, version) : get_rules(in, version);
  stream.candidates = get_evidence(in);
  if (version >= 2) stream.time_window = get_time_window(in);
  in.require_end();
  return stream;
}

namespace {

void put(Writer& out, const RetrainTrial& trial) {
  out.put(trial.at_ms);
  out.put(trial.version);
  out.put(static_cast<std::uint64_t>(trial.images));
  out.put(static_cast<std::uint64_t>(trial.ood));
  out.put(static_cast<std::uint64_t>(trial.live_ood));
  out.put(static_cast<std::uint8_t>(trial.passed ? 1 : 0));
}

RetrainTrial get_trial(Reader& in) {
  RetrainTrial trial;
  trial.at_ms = in.get<std::int64_t>();
  trial.version = in.get<std::int64_t>();
  trial.images = in.get<std::uint64_t>();
  trial.ood = in.get<std::uint64_t>();
  trial.live_ood = in.get<std::uint64_t>();
  in.require(trial.ood <= trial.images && trial.live_ood <= trial.images, "its trial counts more images than it had");
  trial.passed = in.get<std::uint8_t>() != 0;
  return trial;
}

}  // namespace

std::vector<std::byte> encode(const RetrainRequest& request) {
  Writer out;
  out.put(kRetrainVersion);
  out.put(request.id);
  out.put(request.reference);
  put(out, request.alerts);
  put(out, request.streams);
  out.put(static_cast<std::uint8_t>(request.status));
  out.put(request.created_ms);
  out.put(request.updated_ms);
  out.put(request.reference_version);
  out.put(request.command_started_ms);
  out.put(static_cast<std::uint8_t>(request.exit_code ? 1 : 0));
  out.put(static_cast<std::int32_t>(request.exit_code.value_or(0)));
  out.put(request.output);
  out.put(static_cast<std::uint8_t>(request.trial ? 1 : 0));
  if (request.trial) put(out, *request.trial);
  return out.take();
}

RetrainRequest decode_retrain(std::span<const std::byte> bytes) {
  Reader in{bytes, "a stored retrain request"};
  const auto version = get_version(in, kRetrainVersion);
  RetrainRequest request;
  request.id = in.text();
  request.reference = in.text();
  request.alerts = get_texts(in);
  request.streams = get_texts(in);
  const auto status = in.get<std::uint8_t>();
  in.require(status <= static_cast<std::uint8_t>(RetrainStatus::rejected), "its status is unknown");
  request.status = static_cast<RetrainStatus>(status);
  request.created_ms = in.get<std::int64_t>();
  request.updated_ms = in.get<std::int64_t>();
  request.reference_version = in.get<std::int64_t>();
  request.command_started_ms = in.get<std::int64_t>();
  const bool exited = in.get<std::uint8_t>() != 0;
  const auto exit_code = in.get<std::int32_t>();
  if (exited) request.exit_code = exit_code;
  request.output = in.text();
  if (version >= 2 && in.get<std::uint8_t>() != 0) request.trial = get_trial(in);
  in.require_end();
  return request;
}

}  // namespace driftd::drift
