#include "drift/components.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "drift/envelope.hpp"
#include "drift/subspace.hpp"

namespace driftd::drift {
namespace {

using Row = Components::Row;

constexpr std::uint32_t kMagic = 0x504D4344;  // "DCMP"
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kMostFitted = 2048;
constexpr std::size_t kMostRanked = 4096;
constexpr std::size_t kImagesPerComponent = 8;  // that a direction is fitted to, at least
constexpr std::size_t kIterations = 12;
constexpr std::size_t kBinGrowth = 4;  // coarse: there are many channels, and each stream keeps their bins

// The columns are one vector instruction wide or two, so that the sums of all of them advance together.
void add_scaled(Row& to, const Row& row, float scale) {
  for (std::size_t j = 0; j < Components::kMost; ++j) to[j] += scale * row[j];
}

Row places_of(std::span<const Row> basis, std::span<const float> vector) {
  Row places{};
  for (std::size_t i = 0; i < basis.size(); ++i) add_scaled(places, basis[i], vector[i]);
  return places;
}

}  // namespace

Components fit_components(std::size_t rows, const std::function<std::span<const float>(std::size_t)>& row,
                          unsigned seed) {
  Components components;
  if (rows < kFewestForComponents) return components;
  std::mt19937_64 random{seed};
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::shuffle(order, random);

  const auto fitted = std::min(rows / 2, kMostFitted);
  Matrix vectors;
  for (std::size_t i = 0; i < fitted; ++i) {
    const auto vector = row(order[i]);
    vectors.data.insert(vectors.data.end(), vector.begin(), vector.end());
  }
  vectors.rows = fitted;
  vectors.cols = vectors.data.size() / fitted;
  const auto mean = mean_of(vectors);
  components.count = std::min({Components::kMost, fitted / kImagesPerComponent, mean.size()});
  components.fitted = fitted;
  const auto directions =
      principal_directions(centred(std::move(vectors), mean), components.count, kIterations, random);
  components.basis.resize(mean.size());
  for (std::size_t i = 0; i < mean.size(); ++i) std::ranges::copy(directions.row(i), components.basis[i].begin());
  components.offset = places_of(components.basis, mean);
  for (std::size_t i = fitted; i < rows && i < fitted + kMostRanked; ++i) {
    auto& places = components.ranked.emplace_back(places_of(components.basis, row(order[i])));
    add_scaled(places, components.offset, -1);
  }
  return components;
}

std::vector<float> project(const Components& components, std::span<const float> embedding) {
  if (embedding.size() != components.dimension()) {
    throw Error{Errc::invalid_argument, "an embedding of " + std::to_string(embedding.size()) +
                                            " values, where components are of " +
                                            std::to_string(components.dimension())};
  }
  auto places = places_of(components.basis, embedding);
  add_scaled(places, components.offset, -1);
  return {places.begin(), places.begin() + static_cast<std::ptrdiff_t>(components.count)};
}

std::vector<EDetector::Channel> channels_of(const Components& components) {
  std::vector<EDetector::Channel> channels;
  std::vector<float> values(components.ranked.size());
  for (std::size_t j = 0; j < components.count; ++j) {
    std::ranges::transform(components.ranked, values.begin(), [j](const Row& row) { return row[j]; });
    std::ranges::sort(values);
    channels.push_back(
        {"components", "component " + std::to_string(j + 1), true, RankHistogram::of_values(values, kBinGrowth)});
  }
  return channels;
}

namespace {

void put(Writer& out, const std::vector<Row>& rows, std::size_t columns) {
  out.put(static_cast<std::uint64_t>(rows.size()));
  for (const auto& row : rows) out.append(row.data(), columns * sizeof(float));
}

std::vector<Row> get_rows(Reader& in, std::size_t columns) {
  std::vector<Row> rows(in.count(columns * sizeof(float)));
  for (auto& row : rows) {
    for (std::size_t j = 0; j < columns; ++j) row[j] = in.get<float>();
    in.require(std::ranges::all_of(row, [](float x) { return std::isfinite(x); }), "a number is not finite");
  }
  return rows;
}

}  // namespace

std::vector<std::byte> encode(const Components& components) {
  auto out = begin_envelope(kMagic, kVersion);
  out.put(static_cast<std::uint64_t>(components.count));
  out.put(static_cast<std::uint64_t>(components.fitted));
  put(out, {components.offset}, components.count);
  put(out, components.basis, components.count);
  put(out, components.ranked, components.count);
  return seal(std::move(out));
}

Components decode_components(std::span<const std::byte> bytes) {
  auto [version, in] = open_envelope(bytes, kMagic, kVersion, "the embeddings' components");
  Components components;
  components.count = in.get<std::uint64_t>();
  in.require(components.count >= 1 && components.count <= Components::kMost, "their number is wrong");
  components.fitted = in.get<std::uint64_t>();
  const auto offset = get_rows(in, components.count);
  in.require(offset.size() == 1, "there is more than one mean");
  components.offset = offset.front();
  components.basis = get_rows(in, components.count);
  components.ranked = get_rows(in, components.count);
  in.require(!components.basis.empty() && !components.ranked.empty(), "they are of no image");
  if (version == 1) {
    for (int list = 0; list < 2; ++list) (void)in.floats();  // limits of windows, which are computed now
  }
  in.require_end();
  return components;
}

}  // namespace driftd::drift
