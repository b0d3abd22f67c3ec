#include "embed/batch_plan.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>

#include "tests/support/catch.hpp"

using namespace driftd::embed;
using Sizes = std::vector<std::size_t>;

TEST_CASE("where a large batch saves a little, the rest is padded only when it is nearly full") {
  const std::vector<BatchSize> sizes{{1, 1.5}, {8, 8.5}};
  CHECK(best_batch(sizes) == 8);
  CHECK(plan_batches(0, sizes).empty());
  CHECK(plan_batches(1, sizes) == Sizes{1});
  CHECK(plan_batches(3, sizes) == Sizes{1, 1, 1});
  CHECK(plan_batches(6, sizes) == Sizes{8});
  CHECK(plan_batches(17, sizes) == Sizes{8, 8, 1});
}

TEST_CASE("where a large batch costs more for each image, single images are run") {
  const std::vector<BatchSize> sizes{{1, 12}, {8, 140}};
  CHECK(best_batch(sizes) == 1);
  CHECK(plan_batches(20, sizes) == Sizes(20, 1));
}

TEST_CASE("one size only is padded") {
  CHECK(plan_batches(9, {{8, 1}}) == Sizes{8, 8});
}

TEST_CASE("a plan covers every image and has no run to spare, whatever the costs") {
  std::mt19937 random{11};
  for (int i = 0; i < 2000; ++i) {
    std::vector<BatchSize> sizes;
    for (auto count = 1 + random() % 3; count > 0; --count) {
      sizes.push_back({1 + random() % 12, 1.0 + static_cast<double>(random() % 100)});
    }
    const std::size_t n = 1 + random() % 60;
    const Sizes plan = plan_batches(n, sizes);
    const std::size_t sum = std::accumulate(plan.begin(), plan.end(), std::size_t{0});
    CAPTURE(i, n, plan);
    REQUIRE(std::ranges::is_sorted(plan, std::greater{}));
    REQUIRE(sum >= n);
    REQUIRE(sum - plan.back() < n);
  }
}
