// The strangest images of a stream's window, kept so that an alert can show what it is about.
//
// Confined to one thread (the Monitor guards it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace driftd::drift {

struct NearImage {  // a training image close to the one in question
  std::string id;
  std::string label;
  std::string uri;
  double distance = 0;
};

struct Evidence {
  std::string request_id;
  std::uint64_t image = 0;  // its ordinal in the stream, from 1
  double score = 0;
  double p_value = 1;
  double distance = 0;
  std::vector<NearImage> neighbours;
};

// A small JPEG of an image of an alert.
struct Picture {
  std::size_t n = 0;  // by which the alert's pictures are told apart, from 0
  std::string request_id;
  int width = 0;
  int height = 0;
  std::vector<std::byte> jpeg;
};

// True when a is stranger than b: smaller p-value, then larger score, then newer.
[[nodiscard]] bool stranger(const Evidence& a, const Evidence& b);

// The `count` strangest of the last `window` images, exact, from few candidates: an image that has `count` newer and
// stranger ones can never come back and is dropped (the sliding window's skyband). On images in random order about
// count * ln(window / count) remain; at most 16 * count are kept, the least strange dropped first, and only a stream
// that grows less strange image by image gets there.
class WorstImages {
 public:
  WorstImages(std::size_t count, std::size_t window);

  // Images come in stream order: evidence.image grows from call to call. Strings and lists over their limits (128 and
  // 1024 bytes, 10 neighbours) are cut, so that memory is bounded. O(candidates).
  void add(Evidence evidence);
  // At most `count`, the strangest first, none older than the window that ends with image `newest`.
  [[nodiscard]] std::vector<Evidence> worst(std::uint64_t newest) const;
  // Candidates from the oldest to the newest; adding them again in this order restores the state.
  [[nodiscard]] std::vector<Evidence> candidates() const;
  void clear() { kept_.clear(); }

 private:
  struct Candidate {
    Evidence evidence;
    std::size_t newer_and_stranger = 0;
  };

  // Constant after construction
  std::size_t count_;
  std::size_t window_;

  std::vector<Candidate> kept_;  // oldest first
};

}  // namespace driftd::drift
