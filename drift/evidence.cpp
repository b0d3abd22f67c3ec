#include "drift/evidence.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace driftd::drift {
namespace {

constexpr std::size_t kMaxText = 128;
constexpr std::size_t kMaxUri = 1024;
constexpr std::size_t kMaxNeighbours = 10;
constexpr std::size_t kCandidatesPerPlace = 16;

// Cuts UTF-8 between characters.
void cut(std::string& text, std::size_t limit) {
  if (text.size() <= limit) return;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  text.resize(limit);
  text.shrink_to_fit();
}

void cut(Evidence& evidence) {
  cut(evidence.request_id, kMaxText);
  if (evidence.neighbours.size() > kMaxNeighbours) evidence.neighbours.resize(kMaxNeighbours);
  for (auto& neighbour : evidence.neighbours) {
    cut(neighbour.id, kMaxText);
    cut(neighbour.label, kMaxText);
    cut(neighbour.uri, kMaxUri);
  }
}

}  // namespace

bool stranger(const Evidence& a, const Evidence& b) {
  return std::tuple{-a.p_value, a.score, a.image} > std::tuple{-b.p_value, b.score, b.image};
}

WorstImages::WorstImages(std::size_t count, std::size_t window) : count_{count}, window_{window} {}

void WorstImages::add(Evidence evidence) {
  if (count_ == 0) return;
  cut(evidence);
  std::erase_if(kept_, [&](Candidate& candidate) {
    if (candidate.evidence.image + window_ <= evidence.image) return true;
    if (stranger(evidence, candidate.evidence)) ++candidate.newer_and_stranger;
    return candidate.newer_and_stranger >= count_;
  });
  kept_.push_back({std::move(evidence), 0});
  if (kept_.size() > kCandidatesPerPlace * count_) {
    kept_.erase(
        std::ranges::min_element(kept_, [](const auto& a, const auto& b) { return stranger(b.evidence, a.evidence); }));
  }
}

std::vector<Evidence> WorstImages::worst(std::uint64_t newest) const {
  auto all = candidates();
  std::erase_if(all, [&](const Evidence& evidence) { return evidence.image + window_ <= newest; });
  std::ranges::sort(all, stranger);
  if (all.size() > count_) all.resize(count_);
  return all;
}

std::vector<Evidence> WorstImages::candidates() const {
  std::vector<Evidence> all;
  all.reserve(kept_.size());
  for (const auto& candidate : kept_) all.push_back(candidate.evidence);
  return all;
}

}  // namespace driftd::drift
