// Small collections for tests: item i lies at (i, 0) and is labelled "even" or "odd".
#pragma once

#include <filesystem>
#include <string>

#include "index/collection.hpp"

namespace driftd::test {

inline index::Manifest toys() {
  return {.name = "toys", .version = 1, .created = "2026-01-01T00:00:00Z", .model_hash = "m"};
}

inline index::NewItem item_at(const std::string& id, float x) {
  return {{id, "", "", {}}, {x, 0}, {}};
}

inline index::Segment segment_of_size(std::size_t n) {
  index::Segment items{2};
  for (std::size_t i = 0; i < n; ++i) {
    items.add({{std::to_string(i), i % 2 == 0 ? "even" : "odd", "", {}}}, Matrix{1, 2, {static_cast<float>(i), 0}});
  }
  return items;
}

inline void make_collection(const std::filesystem::path& directory, std::size_t n) {
  index::Collection::create(directory, segment_of_size(n), toys(), {});
}

}  // namespace driftd::test
