// The newest embeddings of each stream: to be scored again against another version of a reference, and to tell what the
// images of an alert have in common.
//
// Thread-safe. One lock, held for the copy of a pointer; whoever replays a window copies pointers, never embeddings.
// Bounded: `window` images of a stream, max_bytes in all; beyond that the stream that was silent for longest loses its
// oldest. 2.5 MB for 500 embeddings of 1280, so not saved with a stream's other 20 KB: a restart begins with none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/guarded.hpp"

namespace driftd::drift {

class RecentWindow {
 public:
  using Embedding = std::shared_ptr<const std::vector<float>>;

  struct Image {
    Embedding vector;
    std::string reference;  // its name: "default"
    std::int64_t at_ms = 0;
    std::vector<float> properties;  // the last of drift::Result's watched: what no reference changes
    std::string label;              // that it was compared with, when it came with one
    std::uint64_t image = 0;        // its ordinal in the stream
    std::string request_id;
    bool ood = false;
    std::string nearest_label;  // of the nearest training image
  };

  // window: 0 keeps nothing.
  RecentWindow(std::size_t window, std::size_t max_bytes) : window_{window}, max_bytes_{max_bytes} {}

  void push(std::string_view stream, Image image);
  // The newest images that were scored against a reference, the oldest first; empty for a stream that is not known.
  [[nodiscard]] std::vector<Image> images(std::string_view stream, std::string_view reference) const;
  // How many of these have at least this ordinal in the stream. Without a copy.
  [[nodiscard]] std::size_t count_since(std::string_view stream, std::string_view reference, std::uint64_t image) const;
  // Streams with images scored against a reference, the one with most of them first.
  [[nodiscard]] std::vector<std::string> streams(std::string_view reference) const;
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::size_t window() const { return window_; }

 private:
  struct State {
    std::map<std::string, std::deque<Image>, std::less<>> streams;
    std::size_t bytes = 0;
  };
  static void drop_oldest(State& state, std::deque<Image>& images);

  // Constant after construction
  std::size_t window_;
  std::size_t max_bytes_;

  Guarded<State> state_;
};

}  // namespace driftd::drift
