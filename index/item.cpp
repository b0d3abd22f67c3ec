#include "index/item.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "core/error.hpp"

namespace driftd::index {

void check(const ItemView& item) {
  const auto bounded = [](std::string_view text, std::size_t limit, const char* field) {
    if (text.size() <= limit) return;
    throw Error{Errc::invalid_argument,
                std::string{"an item's "} + field + " has at most " + std::to_string(limit) + " bytes"};
  };
  if (item.id.empty()) throw Error{Errc::invalid_argument, "an item needs an id"};
  bounded(item.id, kMaxId, "id");
  bounded(item.label, kMaxLabel, "label");
  bounded(item.uri, kMaxUri, "uri");
  bounded(item.metadata, kMaxMetadata, "metadata");
  if (item.metadata.empty()) return;
  boost::system::error_code error;
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  if (const auto value = boost::json::parse(item.metadata, error, {}, options); error || !value.is_object()) {
    throw Error{Errc::invalid_argument,
                "an item's metadata is a JSON object, nested at most " + std::to_string(kMaxDepth) + " deep"};
  }
}

void check(const NewItem& added, std::size_t dimension) {
  check(view_of(added.item));
  const auto finite = [](float x) { return std::isfinite(x); };
  if (added.vector.size() != dimension) {
    throw Error{Errc::invalid_argument, "item \"" + added.item.id + "\" has " + std::to_string(added.vector.size()) +
                                            " values, this reference's vectors have " + std::to_string(dimension)};
  }
  if (added.attached.size() > kMaxAttached || !std::ranges::all_of(added.vector, finite) ||
      !std::ranges::all_of(added.attached, finite)) {
    throw Error{Errc::invalid_argument, "item \"" + added.item.id + "\" has a value that is not a finite number"};
  }
}

}  // namespace driftd::index
