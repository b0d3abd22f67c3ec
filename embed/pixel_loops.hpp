// What kernels do (embed/pixel_kernel.hpp), as loops that the compiler makes vectors of, as wide as the function that
// they are inlined into allows.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "embed/codec.hpp"
#include "embed/pixel_kernel.hpp"

namespace driftd::embed::loops {

[[gnu::always_inline]] inline std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

// Three separate sums keep the loop free of memory traffic.
[[gnu::always_inline]] inline void along(const PixelRows& rows, int left, const ResampleAxis& axis, std::uint8_t* out) {
  for (int y = 0; y < rows.count; ++y) {
    for (int x = 0; x < axis.size(); ++x, out += 3) {
      const ResampleAxis::Taps taps = axis.at(x);
      const std::uint8_t* pixel = rows.row(y) + std::size_t{3} * (taps.first - left);
      std::int32_t red = kHalf;
      std::int32_t green = kHalf;
      std::int32_t blue = kHalf;
      for (int k = 0; k < taps.count; ++k, pixel += 3) {
        red += pixel[0] * taps.weights[k];
        green += pixel[1] * taps.weights[k];
        blue += pixel[2] * taps.weights[k];
      }
      out[0] = to_pixel(red);
      out[1] = to_pixel(green);
      out[2] = to_pixel(blue);
    }
  }
}

[[gnu::always_inline]] inline void across(const PixelRows& rows, int top, const ResampleAxis& axis, std::uint8_t* out) {
  std::vector<std::int32_t> sums(rows.length);
  for (int y = 0; y < axis.size(); ++y, out += rows.length) {
    const ResampleAxis::Taps taps = axis.at(y);
    for (auto& sum : sums) sum = kHalf;
    for (int k = 0; k < taps.count; ++k) {
      const std::uint8_t* row = rows.row(taps.first - top + k);
      const std::int32_t weight = taps.weights[k];
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += row[i] * weight;
    }
    for (std::size_t i = 0; i < sums.size(); ++i) out[i] = to_pixel(sums[i]);
  }
}

// --- Averages of blocks ---

// A row of averages, from the sums of their columns. Four values are added at a time: the three colours and one that
// means nothing, so sums has one value more than the pixels.
[[gnu::always_inline]] inline void average_row(const std::uint16_t* sums, int block, int width, std::uint8_t* out) {
  constexpr float kRound = 0x1.8p23F;  // leaves no room for a fraction: adding it rounds
  const float scale = 1.0F / static_cast<float>(block * block);
  for (int x = 0; x < width; ++x, out += 3) {
    std::int32_t total[4] = {};
    for (int k = 0; k < block; ++k, sums += 3) {
      for (int c = 0; c < 4; ++c) total[c] += sums[c];
    }
    for (int c = 0; c < 3; ++c)
      out[c] = static_cast<std::uint8_t>(
          block == 2 ? (total[c] + 2) >> 2 : static_cast<int>(static_cast<float>(total[c]) * scale + kRound - kRound));
  }
}

[[gnu::always_inline]] inline Image blocks(const Image& image, int block) {
  Image small = make_image(image.width / block, image.height / block);
  const std::size_t stride = std::size_t{3} * image.width;
  const std::size_t used = std::size_t{3} * small.width * block;
  std::vector<std::uint16_t> sums(used + 1);  // at most 64 bytes each: a side has up to 64 x 256 pixels
  std::uint16_t* to = sums.data();
  for (int y = 0; y < small.height; ++y) {
    std::ranges::fill(sums, std::uint16_t{0});
    const std::uint8_t* row = image.rgb.data() + stride * y * block;
    for (int k = 0; k < block; ++k, row += stride) {
      for (std::size_t i = 0; i < used; ++i) to[i] = static_cast<std::uint16_t>(to[i] + row[i]);
    }
    average_row(to, block, small.width, small.rgb.data() + std::size_t{3} * small.width * y);
  }
  return small;
}

// --- Sums ---

constexpr int kLumaFraction = 15;  // bits of the weights of luma, which are BT.601's: 0.299, 0.587, 0.114
constexpr int kRed = 9798;
constexpr int kGreen = 19235;
constexpr int kBlue = 3735;
constexpr int kSaturationFraction = 12;  // bits

// 255 / value in fixed point, for the saturation of a pixel: (largest - smallest) / largest.
constexpr auto kInverses = [] {
  std::array<std::int32_t, 256> inverse{};
  for (int v = 1; v < 256; ++v) inverse[v] = ((255 << (kSaturationFraction + 1)) / v + 1) / 2;
  return inverse;
}();

[[gnu::always_inline]] inline void add_row(const std::uint8_t* rgb, int width, std::uint8_t* luma, PixelSums& sums) {
  std::int32_t total = 0;
  std::int32_t squared = 0;
  std::int32_t saturation = 0;
  const std::int32_t* inverse = kInverses.data();  // unlike the array, not checked at every access
  for (int x = 0; x < width; ++x) {
    const std::int32_t red = rgb[3 * x];
    const std::int32_t green = rgb[3 * x + 1];
    const std::int32_t blue = rgb[3 * x + 2];
    const std::int32_t y = (red * kRed + green * kGreen + blue * kBlue + (1 << (kLumaFraction - 1))) >> kLumaFraction;
    const std::int32_t largest = std::max(std::max(red, green), blue);
    const std::int32_t smallest = std::min(std::min(red, green), blue);
    luma[x] = static_cast<std::uint8_t>(y);
    total += y;
    squared += y * y;
    saturation += ((largest - smallest) * inverse[largest] + (1 << (kSaturationFraction - 1))) >> kSaturationFraction;
  }
  sums.luma += total;
  sums.luma_squared += squared;
  sums.saturation += saturation;
}

// A row of luma between those above and below it.
struct LumaRows {
  const std::uint8_t* above;
  const std::uint8_t* row;
  const std::uint8_t* below;

  [[gnu::always_inline]] [[nodiscard]] std::int32_t edge(int left, int x, int right) const {
    return above[x] + below[x] + row[left] + row[right] - 4 * row[x];
  }
};

// The Laplacian's sums over the pixels that have two neighbours in the row.
[[gnu::always_inline]] inline void add_inner_edges(const LumaRows& rows, int width, PixelSums& sums) {
  std::int32_t total = 0;
  std::int32_t squared = 0;
  for (int x = 1; x < width - 1; ++x) {
    const std::int32_t edge = rows.edge(x - 1, x, x + 1);
    total += edge;
    squared += edge * edge;
  }
  sums.edges += total;
  sums.edges_squared += squared;
}

// AddRow and AddEdges: add_row() and add_inner_edges(), or what gives the same.
template <class AddRow, class AddEdges>
[[gnu::always_inline]] inline PixelSums sums(const Image& image, const AddRow& add_row, const AddEdges& add_edges) {
  const auto width = static_cast<std::size_t>(image.width);
  const int right = image.width - 1;
  const int bottom = image.height - 1;
  std::vector<std::uint8_t> luma(width * image.height);
  PixelSums all;
  for (int y = 0; y <= bottom; ++y)
    add_row(image.rgb.data() + 3 * width * y, image.width, luma.data() + width * y, all);
  for (int y = 0; y <= bottom; ++y) {
    const std::size_t above = y > 0 ? y - 1 : std::min(1, bottom);
    const std::size_t below = y < bottom ? y + 1 : std::max(0, bottom - 1);
    const LumaRows rows{luma.data() + width * above, luma.data() + width * y, luma.data() + width * below};
    add_edges(rows, image.width, all);
    const std::int32_t first = rows.edge(std::min(1, right), 0, std::min(1, right));
    const std::int32_t last = right > 0 ? rows.edge(right - 1, right, right - 1) : 0;
    all.edges += first + last;
    all.edges_squared += first * first + last * last;
  }
  return all;
}

[[gnu::always_inline]] inline PixelSums sums(const Image& image) {
  return sums(image, add_row, add_inner_edges);
}

}  // namespace driftd::embed::loops
