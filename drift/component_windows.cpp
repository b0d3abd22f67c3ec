#include "drift/component_windows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

std::vector<double> shares_below_edges(const RankHistogram& ranks) {
  std::vector<double> below;
  double sum = 0;
  for (const auto places : ranks.state().places) below.push_back((sum += places) / ranks.total());
  below.pop_back();  // the last bin has no edge above it
  return below;
}

float largest_of(const std::vector<float>& ascending, double one_in, std::size_t drawn) {
  if (ascending.empty()) return std::numeric_limits<float>::infinity();  // nobody has drawn windows: nothing is over
  const auto over = static_cast<std::size_t>(static_cast<double>(drawn) / std::max(one_in, 1.0));
  return ascending[ascending.size() - std::clamp<std::size_t>(over, 1, ascending.size())];
}

std::vector<float> largest(std::vector<float> values, std::size_t kept) {
  std::ranges::sort(values);
  values.erase(values.begin(), values.end() - static_cast<std::ptrdiff_t>(std::min(kept, values.size())));
  return values;
}

// The images that the components rank, as windows see them.
struct Sample {
  std::vector<std::array<std::uint8_t, Components::kMost>> bins;
  std::vector<Components::Row> values;
};

Sample sample_of(const Components& components, const ComponentWindows& windows) {
  Sample sample;
  for (const auto& row : components.ranked) {
    auto& bins = sample.bins.emplace_back();
    auto& values = sample.values.emplace_back();
    for (std::size_t j = 0; j < components.count; ++j) {
      bins[j] = static_cast<std::uint8_t>(windows.ranks(j).bin(row[j]));
      values[j] = static_cast<float>(windows.shift(j, row[j]));
    }
  }
  return sample;
}

}  // namespace

ComponentWindows::ComponentWindows(const Components& components)
    : images_{components.ranked.size()}, nulls_{components.nulls} {
  if (components.empty() || components.ranked.empty()) {
    throw Error{Errc::invalid_argument, "windows along components need a reference that has components"};
  }
  for (auto& channel : channels_of(components)) ranks_.push_back(std::move(channel.ranks));
  const auto n = static_cast<double>(images_);
  for (std::size_t j = 0; j < ranks_.size(); ++j) {
    below_.push_back(shares_below_edges(ranks_[j]));
    double sum = 0;
    double squares = 0;
    for (const auto& row : components.ranked) sum += row[j];
    for (const auto& row : components.ranked) squares += (row[j] - sum / n) * (row[j] - sum / n);
    mean_.push_back(sum / n);
    deviation_.push_back(std::sqrt(squares / n));
  }
}

double ComponentWindows::ks(std::size_t component, std::span<const double> counts) const {
  const double size = std::accumulate(counts.begin(), counts.end(), 0.0);
  const auto& below = below_[component];
  double furthest = 0;
  double sum = 0;
  for (std::size_t i = 0; i < below.size(); ++i) {
    sum += counts[i];
    const double distance = below[i] - sum / size;  // positive: the window's values are larger
    if (std::abs(distance) > std::abs(furthest)) furthest = distance;
  }
  return furthest;
}

double ComponentWindows::shift(std::size_t component, double mean) const {
  return deviation_[component] > 0 ? (mean - mean_[component]) / deviation_[component] : 0;
}

double ComponentWindows::chance() const {
  const auto k = static_cast<double>(count());
  return std::sqrt(k * (1.0 / kImages + 1 / static_cast<double>(images_)));
}

double ComponentWindows::ks_limit(double one_in) const {
  return largest_of(nulls_.ks, one_in, kDrawn);
}

double ComponentWindows::shift_limit(double one_in) const {
  return largest_of(nulls_.shift, one_in, kDrawn);
}

WindowNulls ComponentWindows::draw(const Components& components, unsigned seed) {
  const ComponentWindows windows{components};
  const auto sample = sample_of(components, windows);
  const double inflation = std::sqrt(1 + static_cast<double>(kImages) / static_cast<double>(sample.bins.size()));
  std::mt19937_64 random{seed};
  std::uniform_int_distribution<std::size_t> any{0, sample.bins.size() - 1};
  std::vector<std::vector<double>> counts(windows.count());
  WindowNulls nulls;
  for (std::size_t window = 0; window < kDrawn; ++window) {
    for (std::size_t j = 0; j < counts.size(); ++j) counts[j].assign(windows.ranks(j).bins(), 0);
    Components::Row sums{};
    for (std::size_t image = 0; image < kImages; ++image) {
      const auto at = any(random);
      for (std::size_t j = 0; j < counts.size(); ++j) ++counts[j][sample.bins[at][j]];
      for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += sample.values[at][j];
    }
    double ks = 0;
    double squares = 0;
    for (std::size_t j = 0; j < counts.size(); ++j) {
      ks = std::max(ks, std::abs(windows.ks(j, counts[j])));
      squares += sums[j] / kImages * (sums[j] / kImages);
    }
    nulls.ks.push_back(static_cast<float>(ks * inflation));
    nulls.shift.push_back(static_cast<float>(std::sqrt(squares) * inflation));
  }
  nulls.ks = largest(std::move(nulls.ks), kKept);
  nulls.shift = largest(std::move(nulls.shift), kKept);
  return nulls;
}

}  // namespace driftd::drift
