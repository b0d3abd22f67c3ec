#include "drift/delivery.hpp"

#include "tests/support/catch.hpp"

using namespace driftd::drift;

TEST_CASE("the wait after a failed attempt doubles up to five minutes, with jitter of up to half") {
  struct Case {
    std::size_t failures;
    double random;
    std::int64_t wait_ms;
  };
  const auto c = GENERATE(values<Case>({{0, 0, 500},
                                        {1, 0, 500},
                                        {1, 0.5, 750},
                                        {1, 1, 1000},
                                        {2, 0, 1000},
                                        {3, 1, 4000},
                                        {9, 1, 256'000},
                                        {10, 0, 150'000},
                                        {10, 1, 300'000},
                                        {1'000'000, 1, 300'000},
                                        {5, 7, 16'000},
                                        {5, -7, 8000}}));
  CAPTURE(c.failures, c.random);
  CHECK(retry_delay_ms(c.failures, c.random) == c.wait_ms);
}
