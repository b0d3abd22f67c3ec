// The names of a list as a person is told to choose from them: "flat, ivf or sq8".
//
// Thread-safe: a pure function.
#pragma once

#include <functional>
#include <ranges>
#include <string>

namespace driftd {

template <std::ranges::forward_range All, class Name>
[[nodiscard]] std::string alternatives(const All& all, Name&& name) {
  std::string text;
  for (auto at = std::ranges::begin(all), end = std::ranges::end(all); at != end; ++at) {
    if (at != std::ranges::begin(all)) text += std::ranges::next(at) == end ? " or " : ", ";
    text += std::invoke(name, *at);
  }
  return text;
}

}  // namespace driftd
