// Uniform random samples of streams: which images to draw, one decision each.
//
// Algorithm R (Vitter, "Random sampling with a reservoir", 1985): of `seen` images, the newest is drawn with
// probability size / seen, and takes a random member's place. Streams share the places equally: a new stream makes
// every sample smaller, by dropping random members, which leaves the rest a uniform sample. A stream whose reference
// changes begins a new round.
//
// Thread-safe. One lock, held for about a tenth of a microsecond an image. Memory: max_streams small records. The
// members themselves are kept elsewhere (review_store.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/guarded.hpp"
#include "drift/review.hpp"

namespace driftd::drift {

class Reservoirs {
 public:
  // places: of all streams together; 0: nothing is drawn. Streams beyond the places have no sample.
  Reservoirs(std::size_t places, std::uint64_t seed);

  // Counts an image. The round of the sample that it is drawn for, or nothing.
  [[nodiscard]] std::optional<std::int64_t> draw(std::string_view stream, std::string_view reference,
                                                 std::int64_t now_ms);
  // An image that was drawn could not be kept.
  void missed(std::string_view stream);

  // The most members that each sample may have now.
  [[nodiscard]] std::size_t size() const;
  // A number below n, for choosing a member to drop.
  [[nodiscard]] std::size_t random_below(std::size_t n);

  [[nodiscard]] std::vector<SampleState> samples() const;  // by stream
  [[nodiscard]] std::optional<SampleState> sample(std::string_view stream) const;
  void restore(const std::vector<SampleState>& samples);

 private:
  struct State {
    std::map<std::string, SampleState, std::less<>> samples;
    std::mt19937_64 random;
  };
  [[nodiscard]] std::size_t size_of(const State& state) const;

  std::size_t places_;  // constant after construction
  Guarded<State> state_;
};

}  // namespace driftd::drift
