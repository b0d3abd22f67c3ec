#include "drift/review.hpp"

#include <algorithm>
#include <array>

namespace driftd::drift {
namespace {

constexpr std::array kStates{std::string_view{"waiting"}, std::string_view{"labelled"}, std::string_view{"dismissed"},
                             std::string_view{"accepted"}};

}  // namespace

std::string_view name_of(ReviewSource source) {
  return source == ReviewSource::random ? "random" : "diverse";
}
std::string_view name_of(ReviewState state) {
  return kStates.at(static_cast<std::size_t>(state));
}

std::optional<ReviewState> review_state_of(std::string_view name) {
  const auto found = std::ranges::find(kStates, name);
  if (found == kStates.end()) return std::nullopt;
  return static_cast<ReviewState>(found - kStates.begin());
}

ReviewEstimate estimate(const SampleState& sample, std::span<const ReviewItem> items) {
  ReviewEstimate result{.sample = sample};
  for (const auto& item : items) {
    if (item.source != ReviewSource::random || item.stream != sample.stream || item.round != sample.round) continue;
    ++result.size;
    if (item.state == ReviewState::waiting) ++result.waiting;
    if (item.state == ReviewState::waiting || item.state == ReviewState::dismissed) continue;
    ++result.judged;
    result.flagged += item.ood ? 1 : 0;
    result.ood += item.truly_ood.value_or(false) ? 1 : 0;
    result.wrong += item.label != item.predicted ? 1 : 0;
  }
  return result;
}

}  // namespace driftd::drift
