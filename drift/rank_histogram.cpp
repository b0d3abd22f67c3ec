#include "drift/rank_histogram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

void require(bool holds, const char* what) {
  if (!holds) throw Error{Errc::invalid_argument, std::string{"rank histogram: "} + what};
}

// The places at which bins begin in the lower half, from 1: 1, 2, 4, ... Those of the upper half mirror them.
std::vector<std::size_t> cuts_of(std::size_t n, std::size_t growth = 2) {
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 1; 2 * cut < n + 1; cut *= growth) cuts.push_back(cut);
  return cuts;
}

double sum(std::span<const std::uint32_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), 0.0);
}

// Collects the bins from below.
class Builder {
 public:
  // The bin that ends at `edge` and at `place` (not counted in). An edge seen before: its bin holds no value.
  void end(float edge, std::size_t place) {
    state_.edges.push_back(edge);
    close(place);
  }
  [[nodiscard]] bool ends_at(float edge) const { return !state_.edges.empty() && state_.edges.back() == edge; }
  void widen_last(std::size_t place) {
    state_.places.back() += static_cast<std::uint32_t>(place - first_);
    first_ = place;
  }
  RankHistogram finish(std::size_t places) {
    close(places);
    return RankHistogram{std::move(state_)};
  }

 private:
  void close(std::size_t place) {
    state_.places.push_back(static_cast<std::uint32_t>(place - first_));
    state_.learned.push_back(0);
    state_.waiting.push_back(0);
    first_ = place;
  }

  RankHistogram::State state_;
  std::size_t first_ = 0;  // place of the bin under way
};

}  // namespace

RankHistogram RankHistogram::of_values(std::span<const float> ascending, std::size_t growth) {
  require(growth >= 2, "its bins must grow");
  require(!ascending.empty() && std::ranges::is_sorted(ascending) && std::isfinite(ascending.front()) &&
              std::isfinite(ascending.back()),
          "it needs finite values in ascending order");
  const auto n = ascending.size();
  const auto cuts = cuts_of(n, growth);
  Builder bins;
  // A run of equal values belongs to the bin that begins with it in the lower half, and to the one that ends with it in
  // the upper half: so a constant has a bin of its own.
  for (const auto cut : cuts) {
    if (const float edge = ascending[cut - 1]; !bins.ends_at(edge)) bins.end(edge, cut);
  }
  for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) {
    const auto place = n + 1 - *cut;
    const float edge = std::nextafter(ascending[place - 1], std::numeric_limits<float>::infinity());
    bins.ends_at(edge) ? bins.widen_last(place) : bins.end(edge, place);
  }
  return bins.finish(n + 1);
}

RankHistogram RankHistogram::of_ranks(std::size_t n) {
  require(n >= 1, "it needs a reference of at least one value");
  Builder bins;
  const auto cuts = cuts_of(n);
  const auto end_at = [&](std::size_t place) {
    if (!bins.ends_at(static_cast<float>(place))) bins.end(static_cast<float>(place), place);
  };
  for (const auto cut : cuts) end_at(cut);
  for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) end_at(n + 1 - *cut);
  return bins.finish(n + 1);
}

RankHistogram RankHistogram::of_flag(std::size_t yes, std::size_t places) {
  require(yes > 0 && yes < places, "a flag needs places of both kinds");
  Builder bins;
  bins.end(0.5F, places - yes);
  return bins.finish(places);
}

RankHistogram::RankHistogram(State state) : state_{std::move(state)} {
  require(sound(state_), "its state is damaged");
  total_ = sum(state_.places) + sum(state_.learned);
  waiting_ = sum(state_.waiting) > 0;
}

bool RankHistogram::sound(const State& state) {
  return state.places.size() == state.edges.size() + 1 && state.learned.size() == state.places.size() &&
         state.waiting.size() == state.places.size() && std::ranges::is_sorted(state.edges) &&
         std::ranges::all_of(state.edges, [](float edge) { return std::isfinite(edge); }) &&
         std::ranges::all_of(state.places, [](std::uint32_t places) { return places > 0; });
}

std::size_t RankHistogram::bin(float value) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(state_.edges, value) - state_.edges.begin());
}

Interval RankHistogram::interval(float value) const {
  const auto at = bin(value);
  const double below = sum(std::span{state_.places}.first(at)) + sum(std::span{state_.learned}.first(at));
  return {below / total_, at == state_.edges.size() ? 1 : (below + state_.places[at] + state_.learned[at]) / total_};
}

double RankHistogram::rank(float value) const {
  const auto at = bin(value);
  return (sum(std::span{state_.places}.first(at)) + state_.places[at] / 2.0) / sum(state_.places);
}

void RankHistogram::learn(float value) {
  ++state_.waiting[bin(value)];
  waiting_ = true;
}

void RankHistogram::settle() {
  if (!waiting_) return;
  for (std::size_t i = 0; i < state_.learned.size(); ++i) {
    auto& learned = state_.learned[i];
    learned += std::min(state_.waiting[i], std::numeric_limits<std::uint32_t>::max() - learned);
  }
  total_ = sum(state_.places) + sum(state_.learned);
  discard();
}

void RankHistogram::discard() {
  if (!waiting_) return;
  std::ranges::fill(state_.waiting, 0U);
  waiting_ = false;
}

void RankHistogram::forget() {
  discard();
  std::ranges::fill(state_.learned, 0U);
  total_ = sum(state_.places);
}

}  // namespace driftd::drift
