#include "drift/stream_record.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "drift/bytes.hpp"
#include "drift/channel_record.hpp"
#include "drift/curve_record.hpp"
#include "drift/evidence_record.hpp"
#include "drift/moment_record.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint8_t kVersion = 4;

void put(Writer& out, const Window::State& window) {
  out.put(static_cast<std::uint64_t>(window.flags.size()));
  for (const bool flag : window.flags) out.put(flag);
  out.put(window.total);
  out.put(window.total_flagged);
}

Window::State get_window(Reader& in) {
  Window::State window;
  window.flags.resize(in.count(1));
  for (auto&& flag : window.flags) flag = in.flag();
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
  watch.machine.phase = in.one_up_to(AlertMachine::Phase::firing, "its phase is unknown");
  watch.machine.started = get_moment(in);
  watch.machine.held = in.get<std::uint64_t>();
  watch.alert_id = in.text();
  return watch;
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
    for (auto& number : detector.numbers) number = in.finite();
    detector.begun = get_moment(in);
    if (version >= 4) curve = get_curve(in);
  }
  return rules;
}

// Versions 1 and 2 knew two rules.
std::vector<RuleState> get_two_rules(Reader& in, std::uint8_t version) {
  RuleState rate{std::string{kRateRule}, get_watch(in), {}, {}};
  RuleState drift{std::string{kDetectorRule}, {}, {}, {}};
  drift.detector.channels = get_channels(in, version);
  drift.watch = get_watch(in);
  return {std::move(rate), std::move(drift)};
}

}  // namespace

std::vector<std::byte> encode(const StreamState& stream) {
  Writer out;
  out.put(kVersion);
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
  const auto version = in.version(kVersion);
  StreamState stream;
  stream.name = in.text();
  stream.reference = in.text();
  stream.first_ms = in.get<std::int64_t>();
  stream.last_ms = in.get<std::int64_t>();
  if (version == 1) (void)in.get<std::int64_t>();  // a silence, which is a record of its own since
  stream.window = get_window(in);
  stream.rules = version <= 2 ? get_two_rules(in, version) : get_rules(in, version);
  stream.candidates = get_evidence(in);
  if (version >= 2) stream.time_window = get_time_window(in);
  in.require_end();
  return stream;
}

}  // namespace driftd::drift
