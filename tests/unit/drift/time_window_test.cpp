#include "drift/time_window.hpp"

#include <random>

#include "drift/statistics.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

constexpr std::int64_t kStart = 1'800'000'000'000;  // ms since 1970

}  // namespace

TEST_CASE("a window by time counts the last seconds, up to one slice") {
  const unsigned seed = GENERATE(range(1U, 6U));
  const std::uint32_t seconds = GENERATE(1U, 60U, 3600U, 777U);
  CAPTURE(seed, seconds);
  std::mt19937 random{seed};
  TimeWindow window{seconds, 10};
  const auto length_ms = std::int64_t{seconds} * 1000;
  const auto slice_ms = length_ms / static_cast<std::int64_t>(TimeWindow::kBuckets) + 1;
  std::vector<std::pair<std::int64_t, bool>> all;
  std::int64_t now = kStart;
  for (int i = 0; i < 2000; ++i) {
    now += static_cast<std::int64_t>(random() % static_cast<unsigned>(length_ms / 200 + 1));
    all.emplace_back(now, random() % 4 == 0);
    window.push(all.back().second, now);
    std::uint64_t surely = 0;
    std::uint64_t perhaps = 0;
    for (const auto& [at, ood] : all) {
      surely += at > now - length_ms + slice_ms ? 1 : 0;
      perhaps += at > now - length_ms ? 1 : 0;
    }
    const auto seen = window.summary(now);
    REQUIRE(seen.size >= surely);
    REQUIRE(seen.size <= perhaps);
    REQUIRE(window.state().buckets.size() <= TimeWindow::kBuckets);
  }
  const auto seen = window.summary(now);
  const auto bounds = wilson(seen.flagged, seen.size);
  CHECK(seen.lower == Approx(bounds.lower));
  CHECK(seen.upper == Approx(bounds.upper));
}

TEST_CASE("time alone empties the window, and a clock that goes back breaks nothing") {
  TimeWindow window{60, 2};
  window.push(true, kStart);
  CHECK_FALSE(window.summary(kStart).enough);
  window.push(false, kStart - 1'000'000);
  const auto seen = window.summary(kStart + 30'000);
  CHECK(seen.size == 2);
  CHECK(seen.enough);
  CHECK(seen.ood_rate == 0.5);
  CHECK(window.summary(kStart + 61'000).size == 0);
  CHECK(window.summary(kStart + 61'000).upper == 1);
}

TEST_CASE("a window by time goes on from its state, unless its length has changed") {
  TimeWindow before{60, 1};
  for (int i = 0; i < 100; ++i) before.push(i % 2 == 0, kStart + i * 300);
  TimeWindow same{60, 1};
  same.resume(before.state());
  CHECK(same.summary(kStart + 40'000).size == before.summary(kStart + 40'000).size);
  TimeWindow other{61, 1};
  other.resume(before.state());
  CHECK(other.summary(kStart + 40'000).size == 0);
}

TEST_CASE("a length of no time, or of more than a month, is refused") {
  CHECK(test::code_of([] { return TimeWindow(0, 1).state(); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return TimeWindow(TimeWindow::kMaxSeconds + 1, 1).state(); }) == Errc::invalid_argument);
}
