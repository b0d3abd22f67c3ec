#include "drift/look_alikes.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

constexpr std::size_t kImagesPerGroup = 5;
constexpr int kStarts = 8;
constexpr int kSteps = 20;
constexpr double kInfinite = std::numeric_limits<double>::infinity();

using Groups = std::vector<std::size_t>;  // of each image, its group

// Squared distances of all pairs.
class Pairs {
 public:
  explicit Pairs(std::span<const std::span<const float>> images) : n_{images.size()}, squared_(n_ * n_) {
    for (std::size_t i = 0; i < n_; ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const auto difference = [](float a, float b) { return (a - b) * (a - b); };
        squared_[i * n_ + j] = squared_[j * n_ + i] = std::transform_reduce(
            images[i].begin(), images[i].end(), images[j].begin(), 0.0F, std::plus<>{}, difference);
      }
    }
  }
  [[nodiscard]] std::size_t size() const { return n_; }
  [[nodiscard]] double squared(std::size_t i, std::size_t j) const { return squared_[i * n_ + j]; }

 private:
  std::size_t n_;
  std::vector<float> squared_;
};

// From the squared distances alone: |x - mean|^2 = mean |x - y|^2 - mean |y - z|^2 / 2 over the members y, z.
std::vector<std::vector<double>> to_means(const Pairs& pairs, const Groups& groups, std::size_t k) {
  const auto n = pairs.size();
  std::vector<double> sizes(k);
  for (const auto group : groups) ++sizes[group];
  std::vector<std::vector<double>> far(k, std::vector<double>(n));
  std::vector<double> within(k);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) far[groups[j]][i] += pairs.squared(i, j) / sizes[groups[j]];
    within[groups[i]] += far[groups[i]][i] / sizes[groups[i]] / 2;
  }
  for (std::size_t group = 0; group < k; ++group) {
    for (auto& squared : far[group]) squared = sizes[group] > 0 ? squared - within[group] : kInfinite;
  }
  return far;
}

// k-means++: each next seed with a chance that grows with the square of its distance to those before.
std::vector<std::size_t> seeds(const Pairs& pairs, std::size_t k, std::mt19937_64& random) {
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  std::vector<std::size_t> chosen{static_cast<std::size_t>(uniform() * static_cast<double>(pairs.size()))};
  std::vector<double> nearest(pairs.size(), kInfinite);
  while (chosen.size() < k) {
    for (std::size_t i = 0; i < pairs.size(); ++i) nearest[i] = std::min(nearest[i], pairs.squared(i, chosen.back()));
    double left = uniform() * std::accumulate(nearest.begin(), nearest.end(), 0.0);
    std::size_t next = 0;
    while (next + 1 < pairs.size() && (left -= nearest[next]) >= 0) ++next;
    chosen.push_back(next);
  }
  return chosen;
}

struct Partition {
  Groups groups;
  double inertia = kInfinite;  // sum of squared distances to the means
};

Partition lloyd(const Pairs& pairs, std::size_t k, std::mt19937_64& random) {
  const auto chosen = seeds(pairs, k, random);
  Partition partition{Groups(pairs.size()), kInfinite};
  const auto nearest = [&](auto&& distance) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      for (std::size_t group = 0; group < k; ++group) {
        if (distance(group, i) < distance(partition.groups[i], i)) partition.groups[i] = group;
      }
    }
  };
  nearest([&](std::size_t group, std::size_t i) { return pairs.squared(i, chosen[group]); });
  for (int step = 0; step < kSteps; ++step) {
    const auto far = to_means(pairs, partition.groups, k);
    const auto before = partition.groups;
    nearest([&](std::size_t group, std::size_t i) { return far[group][i]; });
    partition.inertia = 0;
    for (std::size_t i = 0; i < pairs.size(); ++i) partition.inertia += far[partition.groups[i]][i];
    if (partition.groups == before) break;
  }
  return partition;
}

// Mean over the images of (b - a) / max(a, b): a is the mean distance to the others of its group, b that to the nearest
// other group. 0 for an image alone in its group.
double silhouette(const Pairs& pairs, const Groups& groups, std::size_t k) {
  const auto n = pairs.size();
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> total(k);
    std::vector<double> count(k);
    for (std::size_t j = 0; j < n; ++j) {
      if (j == i) continue;
      total[groups[j]] += std::sqrt(pairs.squared(i, j));
      ++count[groups[j]];
    }
    if (count[groups[i]] == 0) continue;
    const double own = total[groups[i]] / count[groups[i]];
    double other = kInfinite;
    for (std::size_t group = 0; group < k; ++group) {
      if (group != groups[i] && count[group] > 0) other = std::min(other, total[group] / count[group]);
    }
    if (other < kInfinite && std::max(own, other) > 0) sum += (other - own) / std::max(own, other);
  }
  return sum / static_cast<double>(n);
}

std::vector<std::vector<std::size_t>> members(const Pairs& pairs, const Groups& groups, std::size_t k) {
  const auto far = to_means(pairs, groups, k);
  std::vector<std::vector<std::size_t>> all(k);
  for (std::size_t i = 0; i < groups.size(); ++i) all[groups[i]].push_back(i);
  for (std::size_t group = 0; group < k; ++group) {
    std::ranges::stable_sort(all[group], {}, [&](std::size_t i) { return far[group][i]; });
  }
  std::erase_if(all, [](const auto& group) { return group.empty(); });
  std::ranges::stable_sort(all, std::greater<>{}, [](const auto& group) { return group.size(); });
  return all;
}

}  // namespace

std::vector<std::vector<std::size_t>> look_alikes(std::span<const std::span<const float>> images) {
  const auto other = [&](const auto& image) { return image.size() != images.front().size(); };
  if (images.size() > kMostGrouped || std::ranges::any_of(images, other)) {
    throw Error{Errc::invalid_argument, "images are grouped by embeddings of one dimension, at most 300 at a time"};
  }
  const Pairs pairs{images};
  Groups best(images.size());
  std::size_t groups = 1;
  double clearest = kFewestSilhouette;
  std::mt19937_64 random{1};
  for (std::size_t k = 2; k <= std::min(kMostGroups, images.size() / kImagesPerGroup); ++k) {
    Partition partition;
    for (int start = 0; start < kStarts; ++start) {
      auto next = lloyd(pairs, k, random);
      if (next.inertia < partition.inertia) partition = std::move(next);
    }
    const double clear = silhouette(pairs, partition.groups, k);
    if (clear <= clearest) continue;
    clearest = clear;
    groups = k;
    best = std::move(partition.groups);
  }
  return members(pairs, best, groups);
}

}  // namespace driftd::drift
