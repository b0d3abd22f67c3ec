// An alert on a stream and the state machine that raises it, for any rule that tells each image's Condition.
//
// - idle -> pending: the condition is `over`;
// - pending -> idle: it stopped being over; nobody is told;
// - pending -> firing: it was over for `for_images` further images;
// - firing -> resolved: it was `calm` for `resolve_after` images in a row; from then on it cools down: whatever the
//   condition, it stays idle for `cooldown_images` images and `cooldown_ms` milliseconds.
// The rules "ood-rate" and "ood-rate-time" are over when the lower Wilson bound of the window's OOD rate is over
// `threshold`, and calm when the rate is below `resolve_below`, both with `min_size` images in the window. The gap
// between a rate and its lower bound is the hysteresis: with 500 images and a threshold of 0.10 it fires from 0.13 and
// resolves below 0.10. The other rules (detectors/) are their own patience: for_images is 0. Time and identity come in
// as arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drift/curve.hpp"
#include "drift/evidence.hpp"
#include "drift/moment.hpp"
#include "drift/time_window.hpp"
#include "drift/window.hpp"

namespace driftd::drift {

struct AlertRule {
  double threshold = 0.10;          // OOD rate; above alpha, or every stream fires
  double resolve_below = 0.10;      // OOD rate, <= threshold
  std::size_t min_size = 100;       // images in the window before it may fire or resolve
  std::size_t for_images = 20;      // further images over which the condition must hold
  std::size_t resolve_after = 100;  // images in a row below resolve_below
  std::size_t cooldown_images = 0;  // after an alert was resolved, before the next may become pending: images ...
  std::int64_t cooldown_ms = 0;     // ... and time
  std::size_t evidence = 5;         // strangest images shown, at most 20
};

// Throws Error invalid_argument that names the field, its value and its range.
void check(const AlertRule& rule, std::size_t window);

// One of the things that moved, for a rule that can tell.
struct Shift {
  std::string name;   // "score", "brightness", ...
  bool upper = true;  // to larger values, or to smaller ones
  double rank = 0.5;  // where its recent values are among the reference's, on average: 0 below, 1 above all
  double share = 0;   // of the evidence
};

enum class AlertState { pending, firing, resolved };
[[nodiscard]] std::string_view name_of(AlertState state);

struct Alert {
  std::string id;
  std::string stream;
  std::string reference;
  std::string rule;
  AlertState state = AlertState::pending;
  Moment started;  // ood-rate: when it became pending; other rules: when the drift is estimated to have begun
  Moment fired;
  Moment resolved;
  double rate = 0;  // OOD rate of the window and its Wilson bounds at firing
  double lower = 0;
  double upper = 1;
  std::size_t window = 0;            // images in the window at firing
  double threshold = 0;              // ood-rate: of the lower bound; other rules: of the detector's value
  double false_alarm_per_image = 1;  // ood-rate: see false_alarm_bound; other rules: 1 / run_length
  std::int64_t acknowledged_ms = 0;  // 0 = not
  std::vector<Shift> moved;          // by rules that can tell: what the evidence comes from, most first
  std::vector<Evidence> evidence;    // strangest first
  std::vector<CurvePoint> curve;     // of the rule, from before the start of the drift to the firing
};

// What a rule says of one image. Neither may hold, never both.
struct Condition {
  bool over = false;
  bool calm = false;
};

[[nodiscard]] Condition condition(const AlertRule& rule, const WindowSummary& window);
[[nodiscard]] Condition condition(const AlertRule& rule, const TimeWindowSummary& window);

struct Patience {
  std::size_t for_images = 0;
  std::size_t resolve_after = 1;
  std::size_t cooldown_images = 0;
  std::int64_t cooldown_ms = 0;
};

// Confined to one thread (the Monitor guards it). O(1) a step.
class AlertMachine {
 public:
  enum class Phase : std::uint8_t { idle, pending, firing };
  enum class Transition { none, pending, dropped, firing, resolved };

  struct State {
    Phase phase = Phase::idle;
    Moment started;          // when the phase began; of the pending phase while firing
    std::uint64_t held = 0;  // pending: further images for which the condition was over; firing: calm images in a row
    Moment resolved;         // when it last was
  };

  explicit AlertMachine(Patience patience) : patience_{patience} {}

  // One image later. At most one transition per image.
  Transition step(Condition condition, Moment now);
  // A pending condition is forgotten, a firing one stays: for a window that starts again.
  void restart_window();
  // Cools down as if it had just been resolved.
  void cool_down_from(Moment resolved) { state_.resolved = resolved; }
  // Goes on from a state saved before.
  void resume(const State& state) { state_ = state; }
  [[nodiscard]] const State& state() const { return state_; }

 private:
  [[nodiscard]] bool cooling(Moment now) const;

  Patience patience_;  // constant after construction
  State state_;
};

// An upper bound of the expected number of false firings per image, averaged over any run of at least `window` images
// from the start of a stream. Assumes that the images are exchangeable with the calibrated reference (no drift; frames
// of one video, each like the last, are not), so that the number of flags among w images is BetaBinomial(w, c, n + 1 -
// c), c = floor(alpha (n + 1)), where n = n_reference; the expectation is over references of that size, too.
//
// Argument: every firing follows its own up-crossing of the condition. While the window fills, a crossing at size w
// adds a flag to a count just below the limit; when it is full, a flag enters, a clear image leaves, and the rest holds
// the limit less one. By exchangeability each has a closed form; their sum over images is the bound, whatever
// for_images and resolve_after are. `confidence` is that of the window's bounds. O(window). Throws Error
// invalid_argument on numbers outside their range.
[[nodiscard]] double false_alarm_bound(std::size_t window, std::size_t min_size, double threshold, double alpha,
                                       std::size_t n_reference, double confidence = 0.95);

// The chance that a window of `size` images is over the threshold, under the same assumptions. O(size).
[[nodiscard]] double over_threshold_chance(std::size_t size, double threshold, double alpha, std::size_t n_reference,
                                           double confidence = 0.95);

}  // namespace driftd::drift
