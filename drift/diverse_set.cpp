#include "drift/diverse_set.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/error.hpp"

namespace driftd::drift {
namespace {

constexpr float kInfinite = std::numeric_limits<float>::infinity();
constexpr float kCopy = 1e-6F;  // squared distance: the same image again

float squared_distance(const std::vector<float>& a, const std::vector<float>& b) {
  constexpr std::size_t kLanes = 8;  // sums of their own, so that the processor need not wait for each addition
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += (a[i + lane] - b[i + lane]) * (a[i + lane] - b[i + lane]);
  }
  for (; i < a.size(); ++i) sums[0] += (a[i] - b[i]) * (a[i] - b[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0F);
}

}  // namespace

DiverseSet::DiverseSet(std::size_t capacity, std::size_t per_stream) : capacity_{capacity}, per_stream_{per_stream} {
  if (per_stream < 1 || per_stream > capacity) {
    throw Error{Errc::invalid_argument, "a diverse set needs 1 <= per_stream <= capacity"};
  }
}

DiverseSet::Offer DiverseSet::offer(std::string_view stream, const std::vector<float>& vector) const {
  std::size_t waiting = 0;
  std::size_t of_stream = 0;
  for (const auto& entry : entries_) {
    waiting += entry.waiting ? 1 : 0;
    of_stream += entry.waiting && entry.stream == stream ? 1 : 0;
  }
  const bool stream_full = of_stream >= per_stream_;
  const Entry* least = nullptr;
  if (stream_full || waiting >= capacity_) {
    for (const auto& entry : entries_) {
      const bool replaceable = entry.waiting && (!stream_full || entry.stream == stream);
      if (replaceable && (least == nullptr || entry.nearest < least->nearest)) least = &entry;
    }
  }
  float nearest = kInfinite;
  for (const auto& entry : entries_) {
    if (entry.vector.size() != vector.size()) return {};
    if (&entry != least) nearest = std::min(nearest, squared_distance(entry.vector, vector));
  }
  const bool keep = nearest > (least == nullptr ? kCopy : std::max(kCopy, least->nearest));
  return {keep, keep && least != nullptr ? least->id : std::string{}, std::sqrt(nearest)};
}

void DiverseSet::add(std::string id, std::string stream, std::vector<float> vector) {
  Entry fresh{std::move(id), std::move(stream), std::move(vector), true, kInfinite, {}};
  for (auto& entry : entries_) {
    const auto distance = squared_distance(entry.vector, fresh.vector);
    if (distance < entry.nearest) {
      entry.nearest = distance;
      entry.whose = fresh.id;
    }
    if (distance < fresh.nearest) {
      fresh.nearest = distance;
      fresh.whose = entry.id;
    }
  }
  entries_.push_back(std::move(fresh));
}

void DiverseSet::remove(std::string_view id) {
  const auto found = std::ranges::find(entries_, id, &Entry::id);
  if (found == entries_.end()) return;
  const auto gone = found->id;
  entries_.erase(found);
  for (auto& entry : entries_) {
    if (entry.whose == gone) find_nearest(entry);
  }
}

void DiverseSet::answered(std::string_view id) {
  const auto found = std::ranges::find(entries_, id, &Entry::id);
  if (found == entries_.end() || !found->waiting) return;
  found->waiting = false;
  forget_oldest_answered();
}

std::size_t DiverseSet::waiting() const {
  return static_cast<std::size_t>(std::ranges::count(entries_, true, &Entry::waiting));
}

void DiverseSet::find_nearest(Entry& entry) const {
  entry.nearest = kInfinite;
  entry.whose.clear();
  for (const auto& other : entries_) {
    if (&other == &entry) continue;
    const auto distance = squared_distance(other.vector, entry.vector);
    if (distance >= entry.nearest) continue;
    entry.nearest = distance;
    entry.whose = other.id;
  }
}

void DiverseSet::forget_oldest_answered() {
  if (entries_.size() - waiting() <= capacity_) return;
  remove(std::string{std::ranges::find(entries_, false, &Entry::waiting)->id});
}

}  // namespace driftd::drift
