#include "embed/properties.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "core/error.hpp"
#include "embed/codec.hpp"

namespace driftd::embed {
namespace {

constexpr int kLongSide = 256;
constexpr int kFraction = 15;  // bits of the weights of luma, which are BT.601's: 0.299, 0.587, 0.114
constexpr int kRed = 9798;
constexpr int kGreen = 19235;
constexpr int kBlue = 3735;
constexpr int kSaturationFraction = 12;  // bits

// A row of averages over block x block pixels, from the sums of their columns. Four values are added at a time: the
// three colours and one that means nothing, so sums has one value more than the pixels.
void average_row(const std::uint16_t* sums, int block, int width, std::uint8_t* out) {
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

// The image in blocks of block x block pixels, averaged; what is left over at the right and below is not looked at.
Image average_blocks(const Image& image, int block) {
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

Image scale(const Image& image, int width, int height) {
  Image scaled = make_image(width, height);
  // OpenCV has no view of const bytes; they are only read.
  const cv::Mat from{image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.rgb.data())};
  cv::Mat to{height, width, CV_8UC3, scaled.rgb.data()};
  cv::resize(from, to, to.size(), 0, 0, cv::INTER_LINEAR);
  return scaled;
}

// Averages whole blocks first, which is quick, and then interpolates by a factor below 2.
Image reduce(const Image& image, int longer) {
  const int width = std::max(1, image.width * kLongSide / longer);
  const int height = std::max(1, image.height * kLongSide / longer);
  const int block = longer / kLongSide;
  const bool blocks = block > 1 && std::min(image.width, image.height) >= block;
  return scale(blocks ? average_blocks(image, block) : image, width, height);
}

// Sums over pixels, in integers: exact, and quick.
struct Sums {
  std::int64_t luma = 0;
  std::int64_t luma_squared = 0;
  std::int64_t edges = 0;
  std::int64_t edges_squared = 0;
  std::int64_t saturation = 0;
};

// 255 / value in fixed point, for the saturation of a pixel: (largest - smallest) / largest.
constexpr auto kInverses = [] {
  std::array<std::int32_t, 256> inverse{};
  for (int v = 1; v < 256; ++v) inverse[v] = ((255 << (kSaturationFraction + 1)) / v + 1) / 2;
  return inverse;
}();

[[gnu::always_inline]] inline void add_row(const std::uint8_t* rgb, int width, std::uint8_t* luma, Sums& sums) {
  std::int32_t total = 0;
  std::int32_t squared = 0;
  std::int32_t saturation = 0;
  const std::int32_t* inverse = kInverses.data();  // unlike the array, not checked at every access
  for (int x = 0; x < width; ++x) {
    const std::int32_t red = rgb[3 * x];
    const std::int32_t green = rgb[3 * x + 1];
    const std::int32_t blue = rgb[3 * x + 2];
    const std::int32_t y = (red * kRed + green * kGreen + blue * kBlue + (1 << (kFraction - 1))) >> kFraction;
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

// The Laplacian's sums over a row between the rows above and below it. Beyond an edge lies what lies inside it.
[[gnu::always_inline]] inline void add_edges(const std::uint8_t* above, const std::uint8_t* row,
                                             const std::uint8_t* below, int width, Sums& sums) {
  std::int32_t total = 0;
  std::int32_t squared = 0;
  const auto add = [&](int left, int x, int right) {
    const std::int32_t edge = above[x] + below[x] + row[left] + row[right] - 4 * row[x];
    total += edge;
    squared += edge * edge;
  };
  const int last = width - 1;
  add(std::min(1, last), 0, std::min(1, last));
  for (int x = 1; x < last; ++x) add(x - 1, x, x + 1);
  if (last > 0) add(last - 1, last, last - 1);
  sums.edges += total;
  sums.edges_squared += squared;
}

[[gnu::always_inline]] inline Sums sum_up_loop(const Image& image) {
  const auto width = static_cast<std::size_t>(image.width);
  const int last = image.height - 1;
  std::vector<std::uint8_t> luma(width * image.height);
  Sums sums;
  for (int y = 0; y <= last; ++y) add_row(image.rgb.data() + 3 * width * y, image.width, luma.data() + width * y, sums);
  for (int y = 0; y <= last; ++y) {
    const std::size_t above = y > 0 ? y - 1 : std::min(1, last);
    const std::size_t below = y < last ? y + 1 : std::max(0, last - 1);
    add_edges(luma.data() + width * above, luma.data() + width * y, luma.data() + width * below, image.width, sums);
  }
  return sums;
}

Sums sum_up_plain(const Image& image) {
  return sum_up_loop(image);
}
#if defined(__x86_64__)
[[gnu::target("avx2")]] Sums sum_up_avx2(const Image& image) {
  return sum_up_loop(image);
}
const auto sum_up = __builtin_cpu_supports("avx2") ? sum_up_avx2 : sum_up_plain;
#else
constexpr auto sum_up = sum_up_plain;
#endif

double deviation(double sum, double squares, double count) {
  return std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
}

}  // namespace

Properties measure_properties(const Decoded& decoded) try {
  const Image& image = decoded.image;
  const int longer = std::max(image.width, image.height);
  const Image reduced = longer <= kLongSide ? Image{} : reduce(image, longer);
  const Image& measured = longer <= kLongSide ? image : reduced;
  const Sums sums = sum_up(measured);
  const auto count = static_cast<double>(measured.width) * measured.height;
  const auto scaled = [](std::int64_t sum) { return static_cast<double>(sum) / 255; };
  return {.brightness = scaled(sums.luma) / count,
          .contrast = deviation(scaled(sums.luma), scaled(sums.luma_squared) / 255, count),
          .sharpness = deviation(scaled(sums.edges), scaled(sums.edges_squared) / 255, count),
          .saturation = scaled(sums.saturation) / count,
          .width = decoded.width,
          .height = decoded.height,
          .jpeg_quality = decoded.jpeg_quality};
} catch (const cv::Exception& failure) {
  throw Error{Errc::internal, std::string{"OpenCV could not measure the image: "} + failure.what()};
}

std::array<float, kPropertyNames.size()> values_of(const Properties& p) {
  return {static_cast<float>(p.brightness), static_cast<float>(p.contrast),    static_cast<float>(p.sharpness),
          static_cast<float>(p.saturation), static_cast<float>(p.width),       static_cast<float>(p.height),
          static_cast<float>(p.aspect()),   static_cast<float>(p.jpeg_quality)};
}

}  // namespace driftd::embed
