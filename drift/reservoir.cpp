#include "drift/reservoir.hpp"

#include <algorithm>

namespace driftd::drift {
namespace {

std::uint64_t below(std::mt19937_64& random, std::uint64_t n) {
  return std::uniform_int_distribution<std::uint64_t>{0, n - 1}(random);
}

}  // namespace

Reservoirs::Reservoirs(std::size_t places, std::uint64_t seed)
    : places_{places}, state_{State{{}, std::mt19937_64{seed}}} {}

std::size_t Reservoirs::size_of(const State& state) const {
  return places_ / std::max<std::size_t>(1, state.samples.size());
}

std::optional<std::int64_t> Reservoirs::draw(std::string_view stream, std::string_view reference, std::int64_t now_ms) {
  return state_.with([&](State& state) -> std::optional<std::int64_t> {
    auto found = state.samples.find(stream);
    if (found == state.samples.end()) {
      if (state.samples.size() >= places_) return std::nullopt;
      found = state.samples.emplace(stream, SampleState{.stream = std::string{stream}}).first;
    }
    auto& sample = found->second;
    if (sample.reference != reference) {
      sample = {sample.stream, std::string{reference}, sample.round + 1, now_ms, 0, 0};
    }
    ++sample.seen;
    if (below(state.random, sample.seen) >= size_of(state)) return std::nullopt;
    return sample.round;
  });
}

void Reservoirs::missed(std::string_view stream) {
  state_.with([&](State& state) {
    if (const auto found = state.samples.find(stream); found != state.samples.end()) ++found->second.missed;
  });
}

std::size_t Reservoirs::size() const {
  return state_.with([this](const State& state) { return size_of(state); });
}

std::size_t Reservoirs::random_below(std::size_t n) {
  return state_.with([n](State& state) { return static_cast<std::size_t>(below(state.random, n)); });
}

std::vector<SampleState> Reservoirs::samples() const {
  return state_.with([](const State& state) {
    std::vector<SampleState> all;
    for (const auto& [stream, sample] : state.samples) all.push_back(sample);
    return all;
  });
}

std::optional<SampleState> Reservoirs::sample(std::string_view stream) const {
  return state_.with([&](const State& state) -> std::optional<SampleState> {
    const auto found = state.samples.find(stream);
    return found == state.samples.end() ? std::nullopt : std::optional{found->second};
  });
}

void Reservoirs::restore(const std::vector<SampleState>& samples) {
  state_.with([&](State& state) {
    for (const auto& sample : samples) {
      if (state.samples.size() < places_) state.samples[sample.stream] = sample;
    }
  });
}

}  // namespace driftd::drift
