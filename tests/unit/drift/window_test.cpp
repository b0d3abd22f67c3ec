#include "drift/window.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

TEST_CASE("an empty window has no rate and bounds that know nothing") {
  const auto summary = Window{10}.summary();
  CHECK(summary.capacity == 10);
  CHECK(summary.size == 0);
  CHECK(summary.ood_rate == 0);
  CHECK(summary.lower == 0);
  CHECK(summary.upper == 1);
}

TEST_CASE("a full window forgets its oldest decision, totals forget nothing") {
  Window window{3};
  for (const bool ood : {true, true, false, false}) window.push(ood);
  const auto summary = window.summary();
  CHECK(summary.size == 3);
  CHECK(summary.flagged == 1);
  CHECK(summary.ood_rate == Approx(1.0 / 3));
  CHECK(summary.lower == Approx(wilson(1, 3).lower));
  CHECK(summary.upper == Approx(wilson(1, 3).upper));
  CHECK(summary.total == 4);
  CHECK(summary.total_flagged == 2);
}

TEST_CASE("clearing a window keeps its totals and starts it empty") {
  Window window{2};
  for (int i = 0; i < 5; ++i) window.push(true);
  window.clear();
  CHECK(window.summary().size == 0);
  CHECK(window.summary().flagged == 0);
  window.push(false);
  CHECK(window.summary().flagged == 0);
  CHECK(window.summary().total == 6);
}

TEST_CASE("a window continues from its state; a smaller one keeps the newest decisions") {
  Window window{4};
  for (const bool ood : {true, true, false, false, true, false}) window.push(ood);
  CHECK(window.state().flags == std::vector<bool>{false, false, true, false});
  Window same{4, 0.95, window.state()};
  same.push(true);
  CHECK(same.state().flags == std::vector<bool>{false, true, false, true});
  CHECK(same.summary().total == 7);
  const Window smaller{2, 0.95, window.state()};
  CHECK(smaller.state().flags == std::vector<bool>{true, false});
  CHECK(smaller.summary().total_flagged == 3);
}

TEST_CASE("windows of no size or no confidence are refused") {
  CHECK(test::code_of([] { return Window{0}; }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return Window{kMaxWindow + 1}; }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return Window(10, 1.0); }) == Errc::invalid_argument);
}
