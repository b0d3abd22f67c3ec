// What the images of a reference look like, in simple numbers: the values of each property (brightness, sharpness, ...)
// over all of them, against which a stream's images are ranked.
//
// A fresh image has two one-sided p-values per property: its ranks from below and from above. One that gets darker,
// blurrier or smaller shows here long before its embedding is far from the reference's.
//
// Thread rule: a plain value, immutable once made; the functions are pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "drift/e_detector.hpp"

namespace driftd::drift {

struct Property {
  std::string name;
  std::vector<float> ascending;  // of every image that has it; finite
};

using Profile = std::vector<Property>;

// A group "properties" with a channel for each, both ends watched. Properties without values are left out.
[[nodiscard]] std::vector<EDetector::Channel> channels_of(const Profile& profile);

// Little-endian bytes, versioned, closed by a SHA-256: 4 bytes per value. decode_profile() throws Error corrupt for
// anything that encode() cannot have written, and conflict for a version newer than this program.
[[nodiscard]] std::vector<std::byte> encode(const Profile& profile);
[[nodiscard]] Profile decode_profile(std::span<const std::byte> bytes);

}  // namespace driftd::drift
