#include "index/metric.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"

namespace driftd::index {

std::string_view name_of(Metric metric) {
  return metric == Metric::cosine ? "cosine" : "l2";
}

Metric metric_of(std::string_view name) {
  for (const auto metric : {Metric::l2, Metric::cosine}) {
    if (name == name_of(metric)) return metric;
  }
  throw Error{Errc::invalid_argument,
              "this driftd knows no metric \"" + std::string{name.substr(0, 64)} + "\": choose l2 or cosine"};
}

void scale_to_unit(std::span<float> vector) {
  constexpr double kRounding = 1e-6;
  double squares = 0;
  for (const auto value : vector) squares += double{value} * value;
  if (squares == 0) {
    throw Error{Errc::invalid_argument,
                "a vector of zeros has no direction, which is what cosine compares; leave it "
                "out, or build the reference with the metric l2"};
  }
  if (!std::isfinite(squares) || std::abs(squares - 1) <= kRounding) return;
  const auto length = std::sqrt(squares);
  for (auto& value : vector) value = static_cast<float>(value / length);
}

Matrix scaled_to_unit(MatrixView vectors) {
  Matrix scaled{vectors.rows, vectors.cols};
  std::copy_n(vectors.data, vectors.rows * vectors.cols, scaled.data.begin());
  for (std::size_t row = 0; row < scaled.rows; ++row) scale_to_unit(scaled.row(row));
  return scaled;
}

}  // namespace driftd::index
