#include "embed/resample_axis.hpp"

#include <algorithm>
#include <cmath>

namespace driftd::embed {
namespace {

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

}  // namespace

ResampleAxis resample_axis(int in, int out, Filter filter, int begin, int length) {
  const double scale = static_cast<double>(in) / out;
  const double stretch = std::max(scale, 1.0);  // a reduction widens the filter: that is the antialiasing
  const double support = support_of(filter) * stretch;
  ResampleAxis axis;
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

}  // namespace driftd::embed
