#include "embed/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace driftd::embed {
namespace {

// Fixed point: 8 bits of pixel, 22 of fraction, 2 for the overshoot of the bicubic filter fill an int32.
constexpr int kFractionBits = 22;
constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

double support_of(Filter filter) {
  return filter == Filter::bilinear ? 1.0 : 2.0;
}

double filter_value(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::bilinear) return std::max(0.0, 1.0 - x);
  constexpr double a = -0.5;  // Keys's cubic convolution
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// For each of a run of output positions along one axis: the input positions that it is made of, and their weights.
struct Axis {
  struct Taps {
    int first = 0;
    int count = 0;
    const std::int32_t* weights = nullptr;
  };
  std::size_t stride = 0;  // weights reserved for each output position
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> weights;

  [[nodiscard]] Taps at(int i) const { return {first[i], count[i], weights.data() + stride * i}; }
  [[nodiscard]] int size() const { return static_cast<int>(first.size()); }
  [[nodiscard]] int begin() const { return first.front(); }
  [[nodiscard]] int end() const { return first.back() + count.back(); }
};

// Output positions [begin, begin + length) of an axis that goes from in to out pixels.
Axis make_axis(int in, int out, Filter filter, int begin, int length) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);  // a reduction widens the filter: that is the antialiasing
  const double support = support_of(filter) * stretch;
  Axis axis;
  axis.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  axis.weights.resize(axis.stride * length);
  std::vector<double> exact(axis.stride);
  for (int i = 0; i < length; ++i) {
    const double center = (begin + i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int count = std::min(in, static_cast<int>(center + support + 0.5)) - first;
    double sum = 0;
    for (int k = 0; k < count; ++k)
      sum += exact[k] = filter_value(filter, (first + k - center + 0.5) * (1.0 / stretch));
    for (int k = 0; k < count; ++k) {
      const double weight = exact[k] / sum * (1 << kFractionBits);
      axis.weights[axis.stride * i + k] = static_cast<std::int32_t>(weight + (weight < 0 ? -0.5 : 0.5));
    }
    axis.first.push_back(first);
    axis.count.push_back(count);
  }
  return axis;
}

Image blank(int width, int height) {
  return {width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
}

[[gnu::always_inline]] inline std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

// Resamples one row. left: the column that the row begins with. Three separate sums keep the loop free of memory
// traffic.
void resample_row_plain(std::span<const std::uint8_t> row, int left, const Axis& columns, std::uint8_t* out) {
  for (int x = 0; x < columns.size(); ++x, out += 3) {
    const Axis::Taps taps = columns.at(x);
    const std::uint8_t* pixel = row.data() + std::size_t{3} * (taps.first - left);
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

// Blends rows that lie stride bytes apart into out; sums is working memory of as many values as out has.
[[gnu::always_inline]] inline void blend_rows_loop(const std::uint8_t* rows, std::size_t stride, const Axis::Taps& taps,
                                                   std::span<std::int32_t> sums, std::uint8_t* out) {
  for (auto& sum : sums) sum = kHalf;
  for (int k = 0; k < taps.count; ++k) {
    const std::uint8_t* row = rows + stride * k;
    const std::int32_t weight = taps.weights[k];
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += row[i] * weight;
  }
  for (std::size_t i = 0; i < sums.size(); ++i) out[i] = to_pixel(sums[i]);
}

void blend_rows_plain(const std::uint8_t* rows, std::size_t stride, const Axis::Taps& taps,
                      std::span<std::int32_t> sums, std::uint8_t* out) {
  blend_rows_loop(rows, stride, taps, sums, out);
}

// For processors with AVX2. In integers as well, so the pixels are the same.
#if defined(__x86_64__)
[[gnu::target("avx2")]] void blend_rows_avx2(const std::uint8_t* rows, std::size_t stride, const Axis::Taps& taps,
                                             std::span<std::int32_t> sums, std::uint8_t* out) {
  blend_rows_loop(rows, stride, taps, sums, out);
}

// Red, green, blue and the red of the next pixel in one step. Nothing may follow the last pixel, so it is added by
// bytes.
[[gnu::target("avx2")]] void resample_row_avx2(std::span<const std::uint8_t> row, int left, const Axis& columns,
                                               std::uint8_t* out) {
  const int last = static_cast<int>(row.size() / 3) - 1;
  for (int x = 0; x < columns.size(); ++x, out += 3) {
    const Axis::Taps taps = columns.at(x);
    const int first = taps.first - left;
    const int wide = std::min(taps.count, last - first);
    const std::uint8_t* pixel = row.data() + std::size_t{3} * first;
    __m128i sums = _mm_set1_epi32(kHalf);
    for (int k = 0; k < wide; ++k, pixel += 3) {
      const __m128i values = _mm_cvtepu8_epi32(_mm_loadu_si32(pixel));
      sums = _mm_add_epi32(sums, _mm_mullo_epi32(values, _mm_set1_epi32(taps.weights[k])));
    }
    if (wide < taps.count) {
      const __m128i values = _mm_setr_epi32(pixel[0], pixel[1], pixel[2], 0);
      sums = _mm_add_epi32(sums, _mm_mullo_epi32(values, _mm_set1_epi32(taps.weights[wide])));
    }
    const __m128i words = _mm_packus_epi32(_mm_srai_epi32(sums, kFractionBits), sums);
    const std::int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    __builtin_memcpy(out, &bytes, 3);
  }
}
const auto resample_row = __builtin_cpu_supports("avx2") ? resample_row_avx2 : resample_row_plain;
const auto blend_rows = __builtin_cpu_supports("avx2") ? blend_rows_avx2 : blend_rows_plain;
#else
constexpr auto resample_row = resample_row_plain;
constexpr auto blend_rows = blend_rows_plain;
#endif

// One pass along the rows, for rows [top, bottom) of image, whose own first column is left.
Image resample_columns(const Image& image, const Axis& columns, int left, int top, int bottom) {
  Image result = blank(columns.size(), bottom - top);
  const std::size_t in_stride = std::size_t{3} * image.width;
  const std::size_t out_stride = std::size_t{3} * result.width;
  for (int y = top; y < bottom; ++y) {
    const std::span row{image.rgb.data() + in_stride * y, in_stride};
    resample_row(row, left, columns, result.rgb.data() + out_stride * (y - top));
  }
  return result;
}

// One pass along the columns, for columns [left, right) of image, whose own first row is top.
Image resample_rows(const Image& image, const Axis& rows, int top, int left, int right) {
  Image result = blank(right - left, rows.size());
  const std::size_t in_stride = std::size_t{3} * image.width;
  const std::size_t out_stride = std::size_t{3} * result.width;
  std::vector<std::int32_t> sums(out_stride);
  for (int y = 0; y < rows.size(); ++y) {
    const Axis::Taps taps = rows.at(y);
    const std::uint8_t* first = image.rgb.data() + in_stride * (taps.first - top) + std::size_t{3} * left;
    blend_rows(first, in_stride, taps, sums, result.rgb.data() + out_stride * y);
  }
  return result;
}

}  // namespace

Image resize(const Image& image, int width, int height, Filter filter, const Window& window) {
  const bool inside = window.left >= 0 && window.top >= 0 && window.width >= 1 && window.height >= 1 &&
                      window.left <= width - window.width && window.top <= height - window.height;
  if (!inside) {
    throw Error{Errc::invalid_argument, "cannot cut a window of " + std::to_string(window.width) + " x " +
                                            std::to_string(window.height) + " from an image resized to " +
                                            std::to_string(width) + " x " + std::to_string(height)};
  }
  const Axis columns = make_axis(image.width, width, filter, window.left, window.width);
  const Axis rows = make_axis(image.height, height, filter, window.top, window.height);

  // Each pass rounds, so the order shows in the last bit: it is that of Pillow 13, which prefers the cheaper one.
  const bool rows_first = height < image.height && image.height - height > 2 * (image.width - width);
  if (rows_first) {
    const Image flat = resample_rows(image, rows, 0, columns.begin(), columns.end());
    return resample_columns(flat, columns, columns.begin(), 0, flat.height);
  }
  const Image narrow = resample_columns(image, columns, 0, rows.begin(), rows.end());
  return resample_rows(narrow, rows, rows.begin(), 0, narrow.width);
}

Image resize(const Image& image, int width, int height, Filter filter) {
  return resize(image, width, height, filter, {.left = 0, .top = 0, .width = width, .height = height});
}

}  // namespace driftd::embed
