#include "drift/alert.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kMaxEvidence = 20;
constexpr std::size_t kMaxPatience = 1'000'000;
constexpr std::int64_t kMaxCooldown = 30LL * 24 * 3600 * 1000;

void require(bool holds, const std::string& what) {
  if (!holds) throw Error{Errc::invalid_argument, "alert rule: " + what};
}

// The flags that make the condition hold in a window that grows: the smallest count whose lower bound is over the
// threshold. It never falls as the window grows, so that one pass finds all of them.
class Limit {
 public:
  Limit(double threshold, double z) : threshold_{threshold}, z_{z} {}
  // More than `size` when no count suffices. Ask with sizes that do not fall.
  std::size_t at(std::size_t size) {
    while (count_ <= size && wilson_z(count_, size, z_).lower <= threshold_) ++count_;
    return count_;
  }

 private:
  double threshold_;
  double z_;
  std::size_t count_ = 1;
};

}  // namespace

std::string_view name_of(AlertState state) {
  switch (state) {
    case AlertState::pending:
      return "pending";
    case AlertState::firing:
      return "firing";
    case AlertState::resolved:
      return "resolved";
  }
  return "";
}

void check(const AlertRule& rule, std::size_t window) {
  require(rule.threshold > 0 && rule.threshold < 1,
          "threshold is " + std::to_string(rule.threshold) + ", an OOD rate between 0 and 1 is needed");
  require(rule.resolve_below > 0 && rule.resolve_below <= rule.threshold,
          "resolve_below is " + std::to_string(rule.resolve_below) + ", it must be over 0 and at most the threshold");
  require(rule.min_size >= 1 && rule.min_size <= window,
          "min_size is " + std::to_string(rule.min_size) + ", it must be 1 to the window's " + std::to_string(window));
  require(rule.for_images <= kMaxPatience, "for_images must be 0 to " + std::to_string(kMaxPatience));
  require(rule.resolve_after >= 1 && rule.resolve_after <= kMaxPatience,
          "resolve_after must be 1 to " + std::to_string(kMaxPatience));
  require(rule.cooldown_images <= kMaxPatience, "cooldown_images must be 0 to " + std::to_string(kMaxPatience));
  require(rule.cooldown_ms >= 0 && rule.cooldown_ms <= kMaxCooldown, "the cooldown must be 0 to 30 days");
  require(rule.evidence <= kMaxEvidence, "evidence must be 0 to " + std::to_string(kMaxEvidence));
}

Condition condition(const AlertRule& rule, const WindowSummary& window) {
  if (window.size < rule.min_size) return {};
  // A rule with resolve_below at the threshold has no rate that is both: the lower bound is below the rate.
  return {window.lower > rule.threshold, window.ood_rate < rule.resolve_below};
}

Condition condition(const AlertRule& rule, const TimeWindowSummary& window) {
  if (!window.enough) return {};
  return {window.lower > rule.threshold, window.ood_rate < rule.resolve_below};
}

AlertMachine::Transition AlertMachine::step(Condition condition, Moment now) {
  switch (state_.phase) {
    case Phase::idle:
      if (!condition.over || cooling(now)) return Transition::none;
      state_ = {patience_.for_images == 0 ? Phase::firing : Phase::pending, now, 0, state_.resolved};
      return patience_.for_images == 0 ? Transition::firing : Transition::pending;
    case Phase::pending:
      if (!condition.over) {
        state_ = {.resolved = state_.resolved};
        return Transition::dropped;
      }
      if (++state_.held < patience_.for_images) return Transition::none;
      state_.phase = Phase::firing;
      state_.held = 0;
      return Transition::firing;
    case Phase::firing:
      state_.held = condition.calm ? state_.held + 1 : 0;
      if (state_.held < patience_.resolve_after) return Transition::none;
      state_ = {.resolved = now};
      return Transition::resolved;
  }
  return Transition::none;
}

bool AlertMachine::cooling(Moment now) const {
  const auto& since = state_.resolved;
  return since.image > 0 &&
         (now.image <= since.image + patience_.cooldown_images || now.at_ms < since.at_ms + patience_.cooldown_ms);
}

void AlertMachine::restart_window() {
  if (state_.phase == Phase::pending) state_ = {.resolved = state_.resolved};
  state_.held = 0;
}

double false_alarm_bound(std::size_t window, std::size_t min_size, double threshold, double alpha,
                         std::size_t n_reference, double confidence) {
  require(min_size >= 1 && min_size <= window && window <= kMaxWindow,
          "a false-alarm bound needs 1 <= min_size <= window");
  require(threshold >= 0 && threshold < 1, "a false-alarm bound needs a threshold in [0, 1)");
  require(confidence > 0 && confidence < 1, "a false-alarm bound needs a confidence between 0 and 1");
  const auto ranks = conformal_ranks(alpha, n_reference);
  if (ranks == 0) return 0;  // no p-value is as small as alpha: nothing is ever flagged
  const auto a = static_cast<double>(ranks);
  const auto b = static_cast<double>(n_reference + 1 - ranks);

  Limit limit{threshold, normal_quantile((1 + confidence) / 2)};
  auto previous = limit.at(min_size);
  double filling = previous > min_size ? 0 : beta_binomial_upper_tail(previous, min_size, a, b);
  for (std::size_t size = min_size + 1; size <= window; ++size) {
    const auto count = limit.at(size);
    // A new flag lifts the count to the limit; where the limit itself has just risen, no flag reaches it from below.
    if (count == previous && count <= size) {
      filling += beta_binomial_mass(count, size, a, b) * static_cast<double>(count) / static_cast<double>(size);
    }
    previous = count;
  }
  const auto flags = static_cast<double>(previous);
  const auto images = static_cast<double>(window) + 1;  // those of the full window and the one that leaves it
  const double full = previous > window ? 0
                                        : beta_binomial_mass(previous, window + 1, a, b) * (flags / images) *
                                              ((images - flags) / (images - 1));
  return std::min(1.0, std::max(filling / static_cast<double>(window), full));
}

double over_threshold_chance(std::size_t size, double threshold, double alpha, std::size_t n_reference,
                             double confidence) {
  require(confidence > 0 && confidence < 1, "a false-alarm bound needs a confidence between 0 and 1");
  const auto ranks = conformal_ranks(alpha, n_reference);
  const auto count = Limit{threshold, normal_quantile((1 + confidence) / 2)}.at(size);
  if (ranks == 0 || count > size) return 0;
  return beta_binomial_upper_tail(count, size, static_cast<double>(ranks),
                                  static_cast<double>(n_reference + 1 - ranks));
}

}  // namespace driftd::drift
