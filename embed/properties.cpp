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
#include "embed/pixel_kernel.hpp"

namespace driftd::embed {
namespace {

constexpr int kLongSide = 256;

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
  return scale(blocks ? pixel_kernels().front().blocks(image, block) : image, width, height);
}

double deviation(double sum, double squares, double count) {
  return std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
}

}  // namespace

Properties measure_properties(const Decoded& decoded) try {
  const Image& image = decoded.image;
  const int longer = std::max(image.width, image.height);
  const Image reduced = longer <= kLongSide ? Image{} : reduce(image, longer);
  const Image& measured = longer <= kLongSide ? image : reduced;
  const PixelSums sums = pixel_kernels().front().sums(measured);
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
