#include "drift/profile.hpp"

#include <algorithm>
#include <cmath>

#include "drift/envelope.hpp"

namespace driftd::drift {
namespace {

constexpr std::uint32_t kMagic = 0x46525044;  // "DPRF"
constexpr std::uint32_t kVersion = 1;

}  // namespace

std::vector<EDetector::Channel> channels_of(const Profile& profile) {
  std::vector<EDetector::Channel> channels;
  for (const auto& property : profile) {
    if (property.ascending.empty()) continue;
    channels.push_back({"properties", property.name, true, RankHistogram::of_values(property.ascending)});
  }
  return channels;
}

std::vector<std::byte> encode(const Profile& profile) {
  auto out = begin_envelope(kMagic, kVersion);
  out.put(static_cast<std::uint64_t>(profile.size()));
  for (const auto& property : profile) {
    out.put(property.name);
    out.put(std::span{property.ascending});
  }
  return seal(std::move(out));
}

Profile decode_profile(std::span<const std::byte> bytes) {
  auto [version, in] = open_envelope(bytes, kMagic, kVersion, "the image properties' profile");
  Profile profile(in.count(2 * sizeof(std::uint64_t)));
  for (auto& property : profile) {
    property.name = in.text();
    property.ascending = in.floats();
    in.require(std::ranges::all_of(property.ascending, [](float x) { return std::isfinite(x); }) &&
                   std::ranges::is_sorted(property.ascending),
               "a property's values are not in order");
  }
  in.require_end();
  return profile;
}

}  // namespace driftd::drift
