// An image that waits for a person's eye, and what the person said of it.
//
// Two kinds of images are queued. "diverse" ones are strange and unlike one another (diverse_set.hpp): they show what
// is new, and say nothing of how much of it there is. "random" ones are a uniform sample of a stream's images
// (reservoir.hpp): shares among them are honest estimates for the stream.
//
// Thread-safe: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drift/evidence.hpp"

namespace driftd::drift {

enum class ReviewSource { diverse, random };
enum class ReviewState { waiting, labelled, dismissed, accepted };  // accepted: put into the reference
[[nodiscard]] std::string_view name_of(ReviewSource source);
[[nodiscard]] std::string_view name_of(ReviewState state);
[[nodiscard]] std::optional<ReviewState> review_state_of(std::string_view name);

struct ReviewItem {
  std::int64_t order = 0;  // grows with the time of queueing; given by the store
  std::string id;
  ReviewSource source = ReviewSource::diverse;
  ReviewState state = ReviewState::waiting;
  std::string stream;
  std::int64_t round = 0;  // random: of the stream's sample
  std::string reference;   // "default@4", that it was scored against
  std::string model;       // of the embedding
  std::string request_id;
  double score = 0;
  double p_value = 1;
  bool ood = false;
  double distance = 0;
  double novelty = 0;     // diverse: distance to the nearest other queued image when it was queued
  std::string predicted;  // the neighbours' vote; may be empty
  std::vector<NearImage> neighbours;
  std::int64_t created_ms = 0;
  std::size_t image_bytes = 0;  // of the kept JPEG; 0: none is kept
  int width = 0;                // of that JPEG
  int height = 0;

  // The answer
  std::string label;
  std::optional<bool> truly_ood;  // unlike anything that the reference has
  std::int64_t answered_ms = 0;
  std::string who;
  std::string note;
};

// A stream's random sample.
struct SampleState {
  std::string stream;
  std::string reference;   // a sample is of images scored against one reference
  std::int64_t round = 0;  // grows with each new sample of the stream
  std::int64_t since_ms = 0;
  std::uint64_t seen = 0;    // images since then
  std::uint64_t missed = 0;  // that were drawn, but lost because the hand-over was full
};

// What the answers about a stream's random sample say of all its images since then.
struct ReviewEstimate {
  SampleState sample;
  std::size_t size = 0;     // images in the sample
  std::size_t waiting = 0;  // not answered yet
  std::size_t judged = 0;   // labelled or accepted; the others were dismissed
  std::size_t flagged = 0;  // of the judged: out of distribution by the score
  std::size_t ood = 0;      // of the judged: out of distribution by the person
  std::size_t wrong = 0;    // of the judged: labelled otherwise than by the neighbours' vote
};

[[nodiscard]] ReviewEstimate estimate(const SampleState& sample, std::span<const ReviewItem> items);

}  // namespace driftd::drift
