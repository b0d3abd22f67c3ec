#include "drift/window.hpp"

#include <algorithm>
#include <string>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

double checked_z(double confidence) {
  if (!(confidence > 0 && confidence < 1)) {
    throw Error{Errc::invalid_argument, "a window's confidence must lie between 0 and 1, both excluded"};
  }
  return normal_quantile((1 + confidence) / 2);
}

std::size_t checked_capacity(std::size_t capacity) {
  if (capacity < 1 || capacity > kMaxWindow) {
    throw Error{Errc::invalid_argument,
                "a window of " + std::to_string(capacity) + " images: choose 1 to " + std::to_string(kMaxWindow)};
  }
  return capacity;
}

}  // namespace

Window::Window(std::size_t capacity, double confidence)
    : z_{checked_z(confidence)}, ring_(checked_capacity(capacity)) {}

Window::Window(std::size_t capacity, double confidence, const State& state) : Window{capacity, confidence} {
  const auto kept = std::min(capacity, state.flags.size());
  for (auto i = state.flags.size() - kept; i < state.flags.size(); ++i) push(state.flags[i]);
  total_ = state.total;
  total_flagged_ = state.total_flagged;
}

void Window::push(bool ood) {
  if (size_ == ring_.size()) {
    flagged_ -= ring_[next_] ? 1 : 0;
  } else {
    ++size_;
  }
  ring_[next_] = ood;
  next_ = (next_ + 1) % ring_.size();
  flagged_ += ood ? 1 : 0;
  ++total_;
  total_flagged_ += ood ? 1 : 0;
}

void Window::clear() {
  next_ = size_ = flagged_ = 0;
}

WindowSummary Window::summary() const {
  const auto [lower, upper] = wilson_z(flagged_, size_, z_);
  const double rate = size_ == 0 ? 0 : static_cast<double>(flagged_) / static_cast<double>(size_);
  return {ring_.size(), size_, flagged_, rate, lower, upper, total_, total_flagged_};
}

Window::State Window::state() const {
  State state{{}, total_, total_flagged_};
  state.flags.reserve(size_);
  for (std::size_t i = 0; i < size_; ++i)
    state.flags.push_back(ring_[(next_ + ring_.size() - size_ + i) % ring_.size()]);
  return state;
}

}  // namespace driftd::drift
