#include "embed/properties.hpp"

#include <algorithm>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "core/error.hpp"

namespace driftd::embed {
namespace {

constexpr int kLongSide = 256;

// Averages whole blocks first, which is quick, and then interpolates by a factor below 2.
cv::Mat reduce(cv::Mat rgb) {
  const int longer = std::max(rgb.cols, rgb.rows);
  if (longer <= kLongSide) return rgb;
  const auto shrink = [&rgb](int width, int height, int interpolation) {
    cv::Mat reduced;
    cv::resize(rgb, reduced, {width, height}, 0, 0, interpolation);
    rgb = reduced;
  };
  const cv::Size target{std::max(1, rgb.cols * kLongSide / longer), std::max(1, rgb.rows * kLongSide / longer)};
  const int block = longer / kLongSide;
  if (std::min(rgb.cols, rgb.rows) >= block) {
    rgb = rgb(cv::Rect{0, 0, rgb.cols / block * block, rgb.rows / block * block});
    shrink(rgb.cols / block, rgb.rows / block, cv::INTER_AREA);
  }
  shrink(target.width, target.height, cv::INTER_LINEAR);
  return rgb;
}

double deviation(const cv::Mat& values) {
  cv::Scalar mean;
  cv::Scalar deviation;
  cv::meanStdDev(values, mean, deviation);
  return deviation[0];
}

}  // namespace

Properties measure_properties(const Decoded& decoded) try {
  const Image& image = decoded.image;
  // OpenCV has no view of const bytes; they are only read.
  const cv::Mat rgb = reduce({image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.rgb.data())});
  cv::Mat luma;
  cv::cvtColor(rgb, luma, cv::COLOR_RGB2GRAY);
  luma.convertTo(luma, CV_32F, 1.0 / 255.0);
  cv::Mat edges;
  cv::Laplacian(luma, edges, CV_32F);
  cv::Mat hsv;
  cv::cvtColor(rgb, hsv, cv::COLOR_RGB2HSV);
  return {.brightness = cv::mean(luma)[0],
          .contrast = deviation(luma),
          .sharpness = deviation(edges),
          .saturation = cv::mean(hsv)[1] / 255.0,
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
