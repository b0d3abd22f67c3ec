// Which images of a reference belong together: frames of one video, photographs of one product or patient, one day.
//
// Such images are near each other as copies are. A calibration that knows it leaves out a group at a time
// (drift/calibration.hpp). Thread rule: a plain value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "index/item.hpp"

namespace driftd::api {

struct Grouping {
  bool by_label = false;                            // items of one label are a group; `of` is empty
  std::unordered_map<std::string, std::string> of;  // an item's uri or id to the name of its group

  [[nodiscard]] bool empty() const { return !by_label && of.empty(); }
};

// where: "label", or a file of lines "path,group" (RFC 4180 quotes; a first line of exactly that is a heading). Throws
// Error: not_found; invalid_argument naming the line that has no two cells, or gives a path another group.
[[nodiscard]] Grouping read_grouping(const std::string& where);

// What is kept with a reference: the word "label", or such a file.
[[nodiscard]] std::string encode(const Grouping& grouping);
[[nodiscard]] Grouping decode_grouping(std::string_view text);

// A number for each item, equal for those of a group. Looked up by uri, then by id; an item that is not found is a
// group of its own. `found`, if given, is set to how many were found.
[[nodiscard]] std::vector<std::uint32_t> group_numbers(const Grouping& grouping, std::span<const index::Item> items,
                                                       std::size_t* found = nullptr);

}  // namespace driftd::api
