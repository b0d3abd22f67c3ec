#include "drift/diverse_set.hpp"

#include <cmath>
#include <map>
#include <random>

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

using Vector = std::vector<float>;

// Offers an image and does what the offer says; whether it was kept.
bool give(DiverseSet& set, const std::string& id, const Vector& vector, const std::string& stream = "s") {
  const auto offer = set.offer(stream, vector);
  if (!offer.keep) return false;
  set.remove(offer.replaces);
  set.add(id, stream, vector);
  return true;
}

double distance(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(a[i] - b[i], 2);
  return std::sqrt(sum);
}

double smallest_distance(const std::map<std::string, Vector>& all) {
  double smallest = INFINITY;
  for (auto a = all.begin(); a != all.end(); ++a) {
    for (auto b = std::next(a); b != all.end(); ++b) smallest = std::min(smallest, distance(a->second, b->second));
  }
  return smallest;
}

}  // namespace

TEST_CASE("a diverse set takes what comes while there is room, but no copy") {
  DiverseSet set{3, 3};
  CHECK(give(set, "a", {0, 0}));
  CHECK_FALSE(give(set, "copy", {0, 0}));
  CHECK(give(set, "b", {0, 1}));
  CHECK(set.waiting() == 2);
}

TEST_CASE("a full diverse set takes an image in the place of the one that is worth least, if it is worth more") {
  DiverseSet set{3, 3};
  give(set, "a", {0, 0});
  give(set, "b", {0.1F, 0});
  give(set, "c", {5, 0});
  const auto offer = set.offer("s", {10, 0});
  CHECK(offer.keep);
  CHECK(offer.replaces == "a");  // of the closest pair, the older
  CHECK(offer.novelty == Approx(5));
  CHECK_FALSE(set.offer("s", {5.05F, 0}).keep);
}

TEST_CASE("what was answered keeps its like away and takes no place") {
  DiverseSet set{2, 2};
  give(set, "a", {0, 0});
  set.answered("a");
  CHECK(set.waiting() == 0);
  CHECK_FALSE(give(set, "again", {0, 0}));
  CHECK(give(set, "b", {1, 0}));
  CHECK(give(set, "c", {9, 0}));
  CHECK_FALSE(give(set, "d", {0.5F, 0}));  // nearer to the answered one than the closest pair is
  set.answered("b");
  set.answered("c");  // the third answered one: the first is forgotten
  CHECK(give(set, "again", {0, 0}));
}

TEST_CASE("no stream takes more than its share of a diverse set") {
  DiverseSet set{4, 2};
  CHECK(give(set, "a", {0, 0}, "loud"));
  CHECK(give(set, "b", {1, 0}, "loud"));
  CHECK_FALSE(give(set, "c", {0.5F, 0}, "loud"));
  const auto far = set.offer("loud", {50, 0});
  CHECK(far.replaces == "a");
  CHECK(give(set, "d", {0.4F, 0}, "quiet"));
  CHECK(set.waiting() == 3);
}

TEST_CASE("the smallest distance in a full diverse set only grows, and nears that of farthest-first") {
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::normal_distribution<float> normal;
  DiverseSet set{8, 8};
  std::map<std::string, Vector> kept;
  std::vector<Vector> all;
  double before = 0;
  for (int i = 0; i < 400; ++i) {
    Vector vector{normal(random), normal(random), normal(random)};
    all.push_back(vector);
    const auto offer = set.offer("s", vector);
    if (!offer.keep) continue;
    set.remove(offer.replaces);
    kept.erase(offer.replaces);
    const auto id = std::to_string(i);
    set.add(id, "s", vector);
    kept[id] = vector;
    if (kept.size() < 8) continue;
    const auto smallest = smallest_distance(kept);
    CHECK(smallest >= before * (1 - 1e-6));
    before = smallest;
  }
  // Gonzalez' greedy choice with all images at hand, from the first one on.
  std::map<std::string, Vector> greedy{{"0", all.front()}};
  while (greedy.size() < 8) {
    const auto far = std::ranges::max_element(all, {}, [&](const Vector& v) {
      double nearest = INFINITY;
      for (const auto& [id, other] : greedy) nearest = std::min(nearest, distance(v, other));
      return nearest;
    });
    greedy[std::to_string(greedy.size())] = *far;
  }
  CHECK(before >= 0.5 * smallest_distance(greedy));
}

TEST_CASE("embeddings of another dimension are never kept, and impossible sizes are refused") {
  DiverseSet set{2, 1};
  give(set, "a", {0, 0});
  CHECK_FALSE(set.offer("t", {1, 2, 3}).keep);
  CHECK(test::code_of([] { return DiverseSet{2, 3}; }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return DiverseSet{2, 0}; }) == Errc::invalid_argument);
}
