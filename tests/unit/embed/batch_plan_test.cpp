#include "embed/batch_plan.hpp"

#include <numeric>

#include "tests/support/catch.hpp"

using driftd::embed::plan_batches;
using Sizes = std::vector<std::size_t>;

TEST_CASE("full runs of the largest size come first, then the cheapest cover of the rest") {
  CHECK(plan_batches(0, {1, 8}).empty());
  CHECK(plan_batches(1, {1, 8}) == Sizes{1});
  CHECK(plan_batches(3, {1, 8}) == Sizes{1, 1, 1});
  CHECK(plan_batches(6, {1, 8}) == Sizes{8});
  CHECK(plan_batches(17, {1, 8}) == Sizes{8, 8, 1});
  CHECK(plan_batches(13, {8, 1, 4}) == Sizes{8, 4, 1});
}

TEST_CASE("one size only is padded") { CHECK(plan_batches(9, {8}) == Sizes{8, 8}); }

TEST_CASE("a plan covers every image and has no run to spare") {
  const auto sizes = GENERATE(Sizes{1}, Sizes{8}, Sizes{1, 8}, Sizes{3, 5}, Sizes{2, 7, 32});
  for (std::size_t n = 1; n < 150; ++n) {
    const Sizes plan = plan_batches(n, sizes);
    const std::size_t sum = std::accumulate(plan.begin(), plan.end(), std::size_t{0});
    CAPTURE(n, sizes, plan);
    REQUIRE(sum >= n);
    REQUIRE(sum - plan.back() < n);
  }
}
