// Delayed truth: what an image's label turned out to be, against the vote of its nearest neighbours. The share of right
// votes over a stream's last labels is its prequential accuracy: every vote was given before its label was known.
//
// Thread-safe: one lock. Memory is bounded: the newest max_predictions images can be judged, a window a stream is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/guarded.hpp"

namespace driftd::drift {

// The most frequent label, of equally frequent ones the nearest; "" when no neighbour has one. Labels nearest first.
[[nodiscard]] std::string majority_label(std::span<const std::string> labels);

struct FeedbackOptions {
  std::size_t max_predictions = 10'000;
  std::size_t window = 500;  // labels
  std::size_t max_streams = 1000;
  std::size_t max_label = 256;  // bytes
};

// A vote and the truth.
struct Judgement {
  std::string request_id;
  std::string stream;
  std::string reference;  // "default@4"
  std::string predicted;
  std::string label;
  std::int64_t at_ms = 0;
  bool counted = false;  // before
  [[nodiscard]] bool correct() const { return predicted == label; }
};

struct Accuracy {
  std::string stream;
  std::uint64_t total = 0;  // labels since the stream began
  std::size_t size = 0;     // labels in the window
  double rate = 0;  // share of right votes in the window, and its 95% Wilson bounds; 0 and 0 to 1 when it is empty
  double lower = 0;
  double upper = 1;
};

class Feedback {
 public:
  explicit Feedback(FeedbackOptions options = {}) : options_{options} {}

  // A vote that may be judged later. The same request id again replaces the vote. Without a label nothing is kept.
  void predicted(const std::string& request_id, std::string stream, std::string reference, std::string label);

  // What the truth makes of the vote; counts nothing yet. Throws Error: not_found for an image that is not among the
  // newest, or had no vote, conflict when another label was given before, invalid_argument for a label that is empty or
  // too long.
  [[nodiscard]] Judgement judge(const std::string& request_id, const std::string& label, std::int64_t now_ms) const;
  // Counts a judgement, once per request id and vote; also for restoring them, the oldest first.
  void count(const Judgement& judgement);

  [[nodiscard]] Accuracy accuracy(std::string_view stream) const;
  [[nodiscard]] std::vector<Accuracy> accuracies() const;  // by stream

 private:
  struct Vote {
    std::string stream;
    std::string reference;
    std::string predicted;
    std::string label;  // "" until it is judged
    std::uint64_t order = 0;
  };
  struct Stream {
    std::deque<bool> window;
    std::size_t right = 0;  // in the window
    std::uint64_t total = 0;
  };
  struct State {
    std::map<std::string, Vote> votes;            // by request id
    std::map<std::uint64_t, std::string> oldest;  // order to request id
    std::uint64_t order = 0;
    std::map<std::string, Stream, std::less<>> streams;
  };
  [[nodiscard]] static Accuracy accuracy_of(const std::string& name, const Stream& stream);

  FeedbackOptions options_;  // constant after construction
  Guarded<State> state_;
};

}  // namespace driftd::drift
