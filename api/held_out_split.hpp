// Chooses at random which of the images that a reference is built from are kept out of its index.
//
// Thread-safe: a pure function with a fixed seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace driftd::api {

// true for those held out: about `share` of them. With groups (a number for each image) a group is held out as a whole.
// Throws Error{invalid_argument} unless 0 < share < 1, or where either side would be too small to calibrate on: the
// text says how many images it takes and why.
[[nodiscard]] std::vector<bool> choose_held_out(std::size_t images, double share,
                                                std::span<const std::uint32_t> groups = {});

}  // namespace driftd::api
