#include "api/vote_accuracy.hpp"

#include <random>

#include "tests/support/catch.hpp"
#include "tests/support/references.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

// Two groups far apart; `wrong` items of each group carry the other one's label.
Reference two_groups(std::size_t each, std::size_t wrong) {
  index::Segment items{2};
  std::mt19937_64 random{5};
  std::normal_distribution<float> normal;
  Matrix points{2 * each, 2};
  std::vector<index::Item> names;
  for (std::size_t i = 0; i < points.rows; ++i) {
    const bool second = i >= each;
    points.row(i)[0] = normal(random) + (second ? 100.F : 0.F);
    points.row(i)[1] = normal(random);
    const bool swapped = i % each < wrong;
    names.push_back({std::to_string(i), second != swapped ? "b" : "a", "", {}});
  }
  items.add(std::move(names), points);
  auto calibration = calibrate(items, 1, {});
  return test::reference_of(std::move(items), std::move(calibration));
}

}  // namespace

TEST_CASE("the vote about a reference's own images is right where neighbours have the same label") {
  const auto clean = vote_accuracy(two_groups(200, 0), 3, 1);
  CHECK((clean.images == 400 && clean.right == 400));
}

TEST_CASE("an image does not vote for itself: a wrong label among right ones is a wrong vote") {
  const auto accuracy = vote_accuracy(two_groups(200, 4), 3, 1);
  CHECK(accuracy.images == 400);
  CHECK(accuracy.right <= 392);
  CHECK(accuracy.right >= 370);
}
