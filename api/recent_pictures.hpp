// The newest strange images of each stream as they came, so that an alert can show some of them: what is shown is
// decoded and made small only then, because most images never are.
//
// Thread-safe. One lock, held for some comparisons and the copy of a pointer. Bounded: max_bytes of images in all;
// where there are more, the stream that has most bytes loses its least strange image. Nothing is written to the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "api/http.hpp"
#include "core/guarded.hpp"

namespace driftd::api {

class RecentPictures {
 public:
  struct Image {
    std::string request_id;
    std::uint64_t image = 0;  // its ordinal in the stream
    double p_value = 1;
    double score = 0;
    std::shared_ptr<const Request> request;  // its body holds the image
  };

  // max_bytes: 0 keeps nothing. window: images of a stream after which one is forgotten.
  RecentPictures(std::size_t max_bytes, std::size_t window) : max_bytes_{max_bytes}, window_{window} {}

  [[nodiscard]] bool wanted() const { return max_bytes_ > 0; }
  void push(std::string_view stream, Image image);
  // Null where it is not kept.
  [[nodiscard]] std::shared_ptr<const Request> find(std::string_view stream, std::string_view request_id) const;
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct Stream {
    std::deque<Image> images;  // oldest first
    std::size_t bytes = 0;
  };
  struct State {
    std::map<std::string, Stream, std::less<>> streams;
    std::size_t bytes = 0;
  };
  static void drop(State& state, Stream& stream, std::deque<Image>::iterator image);

  // Constant after construction
  std::size_t max_bytes_;
  std::size_t window_;

  Guarded<State> state_;
};

}  // namespace driftd::api
