// What is kept about one reference image beside its vector. Plain values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace driftd::index {

inline constexpr std::size_t kMaxId = 256;  // bytes of each
inline constexpr std::size_t kMaxLabel = 256;
inline constexpr std::size_t kMaxUri = 4096;
inline constexpr std::size_t kMaxMetadata = 16384;
inline constexpr std::size_t kMaxDepth = 31;  // of metadata; one level is left for the line of items.jsonl around it

struct Item {
  std::string id;        // unique within a collection, 1 to kMaxId bytes
  std::string label;     // may be empty
  std::string uri;       // where the image came from: a path relative to the folder it was read from, or any text
  std::string metadata;  // the text of a JSON object, the user's own; may be empty

  friend bool operator==(const Item&, const Item&) = default;
};

// An item that is kept elsewhere.
struct ItemView {
  std::string_view id;
  std::string_view label;
  std::string_view uri;
  std::string_view metadata;
};

[[nodiscard]] inline ItemView view_of(const Item& item) {
  return {item.id, item.label, item.uri, item.metadata};
}
[[nodiscard]] inline Item copy_of(const ItemView& item) {
  return {std::string{item.id}, std::string{item.label}, std::string{item.uri}, std::string{item.metadata}};
}

// An item on its way into a collection.
struct NewItem {
  Item item;
  std::vector<float> vector;
  std::vector<float> attached;  // at most kMaxAttached numbers that another library keeps with the item
};

inline constexpr std::size_t kMaxAttached = 16;

// Throws Error{invalid_argument} that names the field that is missing, too long, too deep, or no JSON object.
void check(const ItemView& item);
// The same, and where it has not `dimension` values, too many attached numbers, or one that is not finite.
void check(const NewItem& added, std::size_t dimension);

}  // namespace driftd::index
