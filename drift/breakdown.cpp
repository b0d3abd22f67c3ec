#include "drift/breakdown.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "drift/look_alikes.hpp"
#include "drift/rank_sum.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

using Image = RecentWindow::Image;
using Images = std::vector<const Image*>;

constexpr std::size_t kFewestStrange = 3;
constexpr std::size_t kFewestValues = 3;  // of a property, to say anything of it

std::map<std::string, std::size_t> counts_by_label(const Images& images) {
  std::map<std::string, std::size_t> counts;
  for (const auto* image : images) ++counts[image->nearest_label];
  return counts;
}

std::vector<LabelShare> label_shares(const Images& images, const std::map<std::string, double>& expected) {
  if (expected.empty() || (expected.size() == 1 && expected.begin()->first.empty())) return {};
  std::vector<LabelShare> shares;
  for (const auto& [label, count] : counts_by_label(images)) {
    const auto found = expected.find(label);
    shares.push_back({label, count, static_cast<double>(count) / static_cast<double>(images.size()),
                      found == expected.end() ? 0 : found->second});
  }
  std::ranges::stable_sort(shares, std::greater<>{}, &LabelShare::images);
  if (shares.size() > kMostLabels) shares.resize(kMostLabels);
  return shares;
}

std::vector<PropertyShift> property_shifts(const Images& images, const Profile& profile) {
  std::vector<PropertyShift> shifts;
  std::size_t channel = 0;  // properties without values in the reference have none (channels_of())
  for (const auto& [name, ascending] : profile) {
    if (ascending.empty()) continue;
    std::vector<float> values;
    for (const auto* image : images) {
      if (channel < image->properties.size() && std::isfinite(image->properties[channel])) {
        values.push_back(image->properties[channel]);
      }
    }
    ++channel;
    if (values.size() < kFewestValues) continue;
    std::ranges::sort(values);
    const auto [rank, p] = rank_sum(values, ascending);
    shifts.push_back({name, values[values.size() / 2], ascending[ascending.size() / 2], rank, p});
  }
  std::ranges::stable_sort(shifts, std::greater<>{}, [](const auto& shift) { return std::abs(shift.rank - 0.5); });
  return shifts;
}

LookAlikes described(const Images& group) {
  LookAlikes alike{.images = group.size()};
  const auto counts = counts_by_label(group);
  const auto most = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  alike.nearest_label = most->first;
  alike.of_label = most->second;
  const auto [first, last] = std::ranges::minmax(group, {}, &Image::image);
  alike.first = {first->at_ms, first->image};
  alike.last = {last->at_ms, last->image};
  for (std::size_t i = 0; i < std::min(kExamples, group.size()); ++i) {
    alike.examples.push_back({group[i]->request_id, group[i]->image});
  }
  return alike;
}

std::vector<LookAlikes> groups_of(const Images& images) {
  const auto newest = std::span{images}.last(std::min(images.size(), kMostGrouped));
  std::vector<std::span<const float>> vectors;
  for (const auto* image : newest) vectors.emplace_back(*image->vector);
  std::vector<LookAlikes> all;
  for (const auto& numbers : look_alikes(vectors)) {
    Images group;
    for (const auto i : numbers) group.push_back(newest[i]);
    all.push_back(described(group));
  }
  return all;
}

}  // namespace

Breakdown break_down(std::span<const Image> images, const Expected& expected) {
  Breakdown result;
  if (images.empty()) return result;
  Images all;
  Images strange;
  for (const auto& image : images) {
    all.push_back(&image);
    if (image.ood) strange.push_back(&image);
  }
  result.from = images.front().image;
  result.until = {images.back().at_ms, images.back().image};
  result.images = all.size();
  result.strange = strange.size();
  result.of_strange = strange.size() >= kFewestStrange && wilson(strange.size(), all.size()).lower > expected.alpha;
  const auto& about = result.of_strange ? strange : all;
  result.labels = label_shares(about, expected.label_shares);
  result.properties = property_shifts(about, expected.profile);
  result.groups = groups_of(about);
  return result;
}

}  // namespace driftd::drift
