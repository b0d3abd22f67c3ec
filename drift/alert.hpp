// An alert on a stream and the state machine that raises it.
//
// - idle -> pending: the lower Wilson bound of the window's OOD rate is over `threshold`, with `min_size` images in it;
// - pending -> idle: the condition stopped holding; nobody is told;
// - pending -> firing: it held for `for_images` further images;
// - firing -> resolved: the OOD rate stayed below `resolve_below` for `resolve_after` images.
// The gap between a rate and its lower bound is the hysteresis: with 500 images and a threshold of 0.10 it fires from
// 0.13 and resolves below 0.10. Time and identity come in as arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drift/evidence.hpp"
#include "drift/window.hpp"

namespace driftd::drift {

struct AlertRule {
  std::string name = "ood-rate";
  double threshold = 0.10;          // OOD rate; above alpha, or every stream fires
  double resolve_below = 0.10;      // OOD rate, <= threshold
  std::size_t min_size = 100;       // images in the window before it may fire or resolve
  std::size_t for_images = 20;      // further images over which the condition must hold
  std::size_t resolve_after = 100;  // images in a row below resolve_below
  std::size_t evidence = 5;         // strangest images shown, at most 20
};

// Throws Error invalid_argument that names the field, its value and its range.
void check(const AlertRule& rule, std::size_t window);

enum class AlertState { pending, firing, resolved };
[[nodiscard]] std::string_view name_of(AlertState state);

struct Moment {
  std::int64_t at_ms = 0;   // Unix time in milliseconds
  std::uint64_t image = 0;  // ordinal in the stream, from 1; 0 = has not happened
};

struct Alert {
  std::string id;
  std::string stream;
  std::string reference;
  std::string rule;
  AlertState state = AlertState::pending;
  Moment started;  // when it became pending
  Moment fired;
  Moment resolved;
  double rate = 0;  // OOD rate of the window and its Wilson bounds at firing
  double lower = 0;
  double upper = 1;
  std::size_t window = 0;  // images in the window at firing
  double threshold = 0;
  double false_alarm_per_image = 1;  // see false_alarm_bound: "at most 1 false alarm in 1/x images"
  std::int64_t acknowledged_ms = 0;  // 0 = not
  std::int64_t silenced_until_ms = 0;
  std::vector<Evidence> evidence;  // strangest first
};

// Confined to one thread (the Monitor guards it). O(1) a step.
class AlertMachine {
 public:
  enum class Phase : std::uint8_t { idle, pending, firing };
  enum class Transition { none, pending, dropped, firing, resolved };

  struct State {
    Phase phase = Phase::idle;
    Moment started;  // when the phase began; of the pending phase while firing
    std::uint64_t held =
        0;  // pending: further images for which the condition held; firing: images in a row below resolve_below
  };

  explicit AlertMachine(const AlertRule& rule) : rule_{&rule} {}
  AlertMachine(const AlertRule& rule, State state) : rule_{&rule}, state_{state} {}

  // One image later: `window` includes it, its ordinal is window.total. At most one transition per image.
  Transition step(const WindowSummary& window, std::int64_t now_ms);
  // A pending condition is forgotten, a firing one stays: for a window that starts again.
  void restart_window();
  [[nodiscard]] const State& state() const { return state_; }

 private:
  const AlertRule* rule_;  // outlives the machine
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

}  // namespace driftd::drift
