#include "drift/component_windows.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "core/error.hpp"
#include "drift/cholesky.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr double kLeastShare = 1e-9;      // of the largest variance, below which a component counts as having none
constexpr double kLeastVariance = 1e-12;  // rounding of values around 1

}  // namespace

ComponentWindows::ComponentWindows(const Components& components)
    : images_{components.ranked.size()}, mean_(components.count), lower_(components.count * components.count) {
  const auto k = components.count;
  if (k == 0 || images_ <= k) {
    throw Error{Errc::invalid_argument, "windows along components need a reference that has components, and more images ranked than those"};
  }
  for (auto& channel : channels_of(components)) ranks_.push_back(std::move(channel.ranks));
  const auto n = static_cast<double>(images_);
  for (const auto& row : components.ranked) {
    for (std::size_t j = 0; j < k; ++j) mean_[j] += row[j] / n;
  }
  for (const auto& row : components.ranked) {
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t j = 0; j <= i; ++j) lower_[i * k + j] += (row[i] - mean_[i]) * (row[j] - mean_[j]) / (n - 1);
    }
  }
  double most = 0;
  for (std::size_t j = 0; j < k; ++j) {
    deviation_.push_back(std::sqrt(lower_[j * k + j]));
    most = std::max(most, lower_[j * k + j]);
  }
  cholesky(lower_, k, std::max(kLeastShare * most, kLeastVariance));
}

double ComponentWindows::shift(std::size_t component, double mean) const {
  return deviation_[component] > 0 ? (mean - mean_[component]) / deviation_[component] : 0;
}

double ComponentWindows::length(std::span<const double> means) const {
  std::vector<double> apart(mean_.size());
  std::ranges::transform(means, mean_, apart.begin(), std::minus<>{});
  return std::sqrt(squared_length(lower_, std::move(apart)));
}

double ComponentWindows::limit(double level, std::size_t images) const {
  const auto k = static_cast<double>(count());
  const auto n = static_cast<double>(images_);
  // If F has an F distribution of k and n - k degrees of freedom, F k / (F k + n - k) has a beta distribution.
  const double beta = beta_quantile(1 - level, k / 2, (n - k) / 2);
  const double t_squared = (n - 1) * beta / (1 - beta);
  return std::sqrt(t_squared * (1 / static_cast<double>(images) + 1 / n));
}

}  // namespace driftd::drift
