// What a person would say of images whose values went down, or up: "darker", "blurrier".
//
// Thread-safe: pure functions.
#pragma once

#include <string_view>

namespace driftd::api {

// Of a property, of the score, or of a component of the embedding, which has no name of its own.
[[nodiscard]] std::string_view meaning_of(std::string_view name, bool upper);

}  // namespace driftd::api
