#include "drift/feedback.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {

std::string majority_label(std::span<const std::string> labels) {
  std::map<std::string_view, std::size_t> counts;
  std::size_t most = 0;
  for (const auto& label : labels) {
    if (!label.empty()) most = std::max(most, ++counts[label]);
  }
  for (const auto& label : labels) {
    if (!label.empty() && counts[label] == most) return label;
  }
  return {};
}

void Feedback::predicted(const std::string& request_id, std::string stream, std::string reference, std::string label) {
  if (label.empty() || label.size() > options_.max_label) return;
  state_.with([&](State& state) {
    const auto order = ++state.order;
    const auto [at, fresh] = state.votes.try_emplace(request_id);
    if (!fresh) state.oldest.erase(at->second.order);
    at->second = {std::move(stream), std::move(reference), std::move(label), {}, order};
    state.oldest[order] = request_id;
    if (state.oldest.size() <= options_.max_predictions) return;
    state.votes.erase(state.oldest.begin()->second);
    state.oldest.erase(state.oldest.begin());
  });
}

Judgement Feedback::judge(const std::string& request_id, const std::string& label, std::int64_t now_ms) const {
  if (label.empty() || label.size() > options_.max_label) {
    throw Error{Errc::invalid_argument, "\"label\" must have 1 to " + std::to_string(options_.max_label) + " bytes"};
  }
  return state_.with([&](const State& state) {
    const auto found = state.votes.find(request_id);
    if (found == state.votes.end()) {
      throw Error{Errc::not_found, "no vote is known for this request: its neighbours had no labels, or more than " +
                                       std::to_string(options_.max_predictions) +
                                       " images came after it, or the service was started anew"};
    }
    const auto& vote = found->second;
    if (!vote.label.empty() && vote.label != label) {
      throw Error{Errc::conflict, "this image was labelled \"" + vote.label + "\" before; it is counted once"};
    }
    return Judgement{request_id, vote.stream, vote.reference, vote.predicted, label, now_ms, !vote.label.empty()};
  });
}

void Feedback::count(const Judgement& judgement) {
  state_.with([&](State& state) {
    const auto vote = state.votes.find(judgement.request_id);
    if (vote != state.votes.end()) {
      if (!vote->second.label.empty()) return;
      vote->second.label = judgement.label;
    }
    if (!state.streams.contains(judgement.stream) && state.streams.size() >= options_.max_streams) return;
    auto& stream = state.streams[judgement.stream];
    stream.window.push_back(judgement.correct());
    stream.right += judgement.correct() ? 1 : 0;
    ++stream.total;
    if (stream.window.size() <= options_.window) return;
    stream.right -= stream.window.front() ? 1 : 0;
    stream.window.pop_front();
  });
}

Accuracy Feedback::accuracy_of(const std::string& name, const Stream& stream) {
  Accuracy accuracy{name, stream.total, stream.window.size(), 0, 0, 1};
  if (stream.window.empty()) return accuracy;
  const auto bounds = wilson(stream.right, stream.window.size());
  accuracy.rate = static_cast<double>(stream.right) / static_cast<double>(stream.window.size());
  accuracy.lower = bounds.lower;
  accuracy.upper = bounds.upper;
  return accuracy;
}

Accuracy Feedback::accuracy(std::string_view name) const {
  return state_.with([&](const State& state) {
    const auto found = state.streams.find(name);
    return accuracy_of(std::string{name}, found == state.streams.end() ? Stream{} : found->second);
  });
}

std::vector<Accuracy> Feedback::accuracies() const {
  return state_.with([](const State& state) {
    std::vector<Accuracy> all;
    for (const auto& [name, stream] : state.streams) all.push_back(accuracy_of(name, stream));
    return all;
  });
}

}  // namespace driftd::drift
