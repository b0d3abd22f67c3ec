#include "drift/alert_record.hpp"

#include <cstdint>

#include "drift/bytes.hpp"
#include "drift/curve_record.hpp"
#include "drift/evidence_record.hpp"
#include "drift/moment_record.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint8_t kVersion = 3;

void put(Writer& out, const std::vector<Shift>& shifts) {
  out.put(static_cast<std::uint64_t>(shifts.size()));
  for (const auto& shift : shifts) {
    out.put(shift.name);
    out.put(shift.upper);
    out.put(shift.rank);
    out.put(shift.share);
  }
}

std::vector<Shift> get_shifts(Reader& in) {
  std::vector<Shift> shifts(in.count(25));  // a length, a flag and two numbers
  for (auto& shift : shifts) {
    shift.name = in.text();
    shift.upper = in.flag();
    shift.rank = in.finite();
    shift.share = in.finite();
  }
  return shifts;
}

}  // namespace

std::vector<std::byte> encode(const Alert& alert) {
  Writer out;
  out.put(kVersion);
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
  const auto version = in.version(kVersion);
  Alert alert;
  alert.id = in.text();
  alert.stream = in.text();
  alert.reference = in.text();
  alert.rule = in.text();
  alert.state = in.one_up_to(AlertState::resolved, "its state is unknown");
  alert.started = get_moment(in);
  alert.fired = get_moment(in);
  alert.resolved = get_moment(in);
  alert.rate = in.finite();
  alert.lower = in.finite();
  alert.upper = in.finite();
  alert.window = in.get<std::uint64_t>();
  alert.threshold = in.finite();
  alert.false_alarm_per_image = in.finite();
  alert.acknowledged_ms = in.get<std::int64_t>();
  if (version == 1) (void)in.get<std::int64_t>();  // a silence, which is a record of its own since
  alert.evidence = get_evidence(in);
  if (version >= 2) alert.moved = get_shifts(in);
  if (version >= 3) alert.curve = get_curve(in);
  in.require_end();
  return alert;
}

}  // namespace driftd::drift
