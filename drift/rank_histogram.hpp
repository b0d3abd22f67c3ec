// Where values fall among those of a reference, counted in bins: the reference's own values, and after them the values
// that one stream has shown.
//
// n values of a reference leave n + 1 places for a fresh one, equally likely when it is of the same source. The bins
// are runs of such places: single ones at both ends, where strange values are, each further one `growth` times as wide
// up to the middle (2 log n / log growth of them). What is learned from a stream is added to the places. The next value
// then falls into a bin with probability (places + learned) / (their sum): exact, for every size of the reference, as
// long as reference and stream are exchangeable. This is the rank of online conformal prediction (Vovk et al.,
// "Algorithmic learning in a random world", 2005, chapter 2) with the values of a bin tied; p-values against a fixed
// reference, in contrast, all share its errors.
//
// Confined to one thread. About 16 bytes a bin. O(bins).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "drift/statistics.hpp"

namespace driftd::drift {

class RankHistogram {
 public:
  struct State {
    std::vector<float> edges;            // ascending; bin i holds edges[i - 1] <= value < edges[i]
    std::vector<std::uint32_t> places;   // of the reference, edges.size() + 1 of them, each at least 1
    std::vector<std::uint32_t> learned;  // from the stream, as many
    std::vector<std::uint32_t> waiting;  // learned, but not settled
  };

  // Of the ascending, finite values of a reference; at least 1, and growth at least 2 (Error invalid_argument). Equal
  // values share a bin.
  static RankHistogram of_values(std::span<const float> ascending, std::size_t growth = 2);
  // Of ranks: a value is the number of reference values below it, 0 to n.
  static RankHistogram of_ranks(std::size_t n);
  // Of a yes or no that `yes` of the places of a fresh value are: a value is 0 (no) or 1 (yes). 0 < yes < places.
  static RankHistogram of_flag(std::size_t yes, std::size_t places);
  // Goes on from a state saved before. Throws Error invalid_argument for one that is not sound.
  explicit RankHistogram(State state);
  // Whether state() can have returned it.
  [[nodiscard]] static bool sound(const State& state);

  // The part of [0, 1] that the value's bin takes: the chance of a smaller value, and that of one not larger.
  [[nodiscard]] Interval interval(float value) const;
  // The middle of that part by the reference alone, 0.5 for the typical value.
  [[nodiscard]] double rank(float value) const;

  // What is learned counts from settle() on; until then it can be discarded.
  void learn(float value);
  void settle();
  void discard();
  void forget();  // all that was learned, settled or not

  [[nodiscard]] double total() const { return total_; }  // places and settled values
  [[nodiscard]] std::size_t bins() const { return state_.places.size(); }
  [[nodiscard]] std::size_t bin(float value) const;
  [[nodiscard]] const State& state() const { return state_; }

 private:
  State state_;
  double total_ = 0;  // of places and learned
  bool waiting_ = false;
};

}  // namespace driftd::drift
