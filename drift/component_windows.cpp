#include "drift/component_windows.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"
#include "drift/cholesky.hpp"
#include "drift/statistics.hpp"

namespace driftd::drift {
namespace {

constexpr double kLeastShare = 1e-9;      // of the largest variance, below which a component counts as having none
constexpr double kLeastVariance = 1e-12;  // rounding of values around 1

// Where row i of the lower half begins.
constexpr std::size_t row_at(std::size_t i) {
  return i * (i + 1) / 2;
}

}  // namespace

ComponentWindows::ComponentWindows(const Components& components)
    : images_{components.ranked.size()}, mean_(components.count) {
  const auto k = components.count;
  if (k == 0 || images_ < 2) {
    throw Error{Errc::invalid_argument,
                "windows along components need a reference that has components, and ranks two images"};
  }
  for (auto& channel : channels_of(components)) ranks_.push_back(std::move(channel.ranks));
  for (const auto& row : components.ranked) {
    for (std::size_t j = 0; j < k; ++j) mean_[j] += row[j] / static_cast<double>(images_);
  }
  std::vector<double> sums;
  for (const auto& row : components.ranked) add(std::span{row}.first(k), sums);
  products_.assign(sums.begin() + static_cast<std::ptrdiff_t>(k), sums.end());
}

// The distances from the reference's means, then the lower half of their products.
void ComponentWindows::add(std::span<const float> values, std::vector<double>& sums) const {
  const auto k = mean_.size();
  sums.resize(k + row_at(k));
  for (std::size_t i = 0; i < k; ++i) {
    const double apart = values[i] - mean_[i];
    sums[i] += apart;
    for (std::size_t j = 0; j <= i; ++j) sums[k + row_at(i) + j] += apart * (values[j] - mean_[j]);
  }
}

double ComponentWindows::shift(std::size_t component, const std::vector<double>& sums, std::size_t images) const {
  const double variance = products_[row_at(component) + component] / static_cast<double>(images_ - 1);
  return variance > 0 ? sums[component] / static_cast<double>(images) / std::sqrt(variance) : 0;
}

double ComponentWindows::rank(std::size_t component, const std::vector<double>& sums, std::size_t images) const {
  return ranks_[component].rank(static_cast<float>(mean_[component] + sums[component] / static_cast<double>(images)));
}

double ComponentWindows::length(const std::vector<double>& sums, std::size_t images) const {
  const auto k = mean_.size();
  const auto m = static_cast<double>(images);
  std::vector<double> apart(k);
  for (std::size_t i = 0; i < k; ++i) apart[i] = sums[i] / m;
  std::vector<double> covariance(k * k);
  double most = 0;
  for (std::size_t i = 0; i < k; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double window = sums[k + row_at(i) + j] - m * apart[i] * apart[j];
      covariance[i * k + j] = (products_[row_at(i) + j] + window) / (static_cast<double>(images_) + m - 2);
    }
    most = std::max(most, covariance[i * k + i]);
  }
  cholesky(covariance, k, std::max(kLeastShare * most, kLeastVariance));
  return std::sqrt(squared_length(covariance, std::move(apart)));
}

double ComponentWindows::limit(double level, std::size_t images) const {
  const auto k = static_cast<double>(count());
  const auto n = static_cast<double>(images_);
  const auto m = static_cast<double>(images);
  // If F has an F distribution of k and r degrees of freedom, F k / (F k + r) has a beta distribution.
  const double beta = beta_quantile(1 - level, k / 2, (n + m - k - 1) / 2);
  return std::sqrt((n + m - 2) * beta / (1 - beta) * (1 / m + 1 / n));
}

}  // namespace driftd::drift
