#include "api/held_out_split.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <string>

#include "core/error.hpp"
#include "drift/calibration.hpp"

namespace driftd::api {

std::vector<bool> choose_held_out(std::size_t images, double share, std::span<const std::uint32_t> groups) {
  if (!(share > 0 && share < 1)) throw Error{Errc::invalid_argument, "the share held out must lie between 0 and 1"};
  const auto least = drift::CalibrationOptions{}.min_items;
  const auto wanted = static_cast<std::size_t>(std::llround(share * static_cast<double>(images)));
  if (wanted < least || images - wanted < least) {
    throw Error{
        Errc::invalid_argument,
        "holding out " + std::to_string(wanted) + " of " + std::to_string(images) +
            " images leaves too few on one side: both need " + std::to_string(least) +
            ", because p-values are ranks among those held out, and distances are measured to the others. With " +
            std::to_string(least) +
            " held out, the real rate of false alarms at alpha 0.05 may be anything from 0.005 to 0.106, with 1000 "
            "from " +
            "0.037 to 0.064. Add images, or leave the option away: each image is then ranked against all others"};
  }
  std::map<std::uint32_t, std::vector<std::size_t>> units;
  for (std::size_t i = 0; i < images; ++i)
    units[groups.empty() ? static_cast<std::uint32_t>(i) : groups[i]].push_back(i);
  std::vector<const std::vector<std::size_t>*> order;
  for (const auto& [number, members] : units) order.push_back(&members);
  std::ranges::shuffle(order, std::mt19937_64{1});
  std::vector<bool> held(images);
  std::size_t count = 0;
  for (const auto* members : order) {
    if (count >= wanted) break;
    for (const auto i : *members) held[i] = true;
    count += members->size();
  }
  return held;
}

}  // namespace driftd::api
