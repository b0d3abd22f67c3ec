#include "drift/rank_histogram.hpp"

#include <numeric>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

std::vector<float> one_to(std::size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

}  // namespace

TEST_CASE("bins hold single places at both ends and wider runs of places towards the middle") {
  const auto histogram = RankHistogram::of_values(one_to(15));
  CHECK(histogram.state().places == std::vector<std::uint32_t>{1, 1, 2, 8, 2, 1, 1});
  CHECK(histogram.interval(0.5F).upper == Approx(1 / 16.0));
  CHECK(histogram.interval(1).lower == Approx(1 / 16.0));
  CHECK(histogram.interval(3).lower == Approx(2 / 16.0));
  CHECK(histogram.interval(3).upper == Approx(4 / 16.0));
  CHECK(histogram.interval(15).upper == Approx(15 / 16.0));
  CHECK(histogram.interval(15.5F).lower == Approx(15 / 16.0));
  CHECK(histogram.interval(15.5F).upper == 1);
}

TEST_CASE("places are as many as the reference's values and one more, whatever their number") {
  const std::size_t n = GENERATE(2U, 3U, 4U, 7U, 8U, 100U, 5000U);
  for (const auto& histogram : {RankHistogram::of_values(one_to(n)), RankHistogram::of_ranks(n)}) {
    const auto& places = histogram.state().places;
    CAPTURE(n, places.size());
    CHECK(std::accumulate(places.begin(), places.end(), std::size_t{0}) == n + 1);
    CHECK(places.front() == 1);
    CHECK(places.back() == 1);
  }
}

TEST_CASE("ranks and values give the same bins") {
  const auto ranks = RankHistogram::of_ranks(100);
  const auto values = RankHistogram::of_values(one_to(100));
  CHECK(ranks.state().places == values.state().places);
  for (const float below : {0.0F, 1.0F, 5.0F, 50.0F, 99.0F, 100.0F}) {
    CHECK(ranks.interval(below).lower == values.interval(below + 0.5F).lower);
  }
}

TEST_CASE("equal values share a bin, and what lies beside a constant is strange") {
  const auto constant = RankHistogram::of_values(std::vector<float>(100, 28));
  CHECK(constant.interval(28).lower == Approx(1 / 101.0));
  CHECK(constant.interval(28).upper == Approx(100 / 101.0));
  CHECK(constant.interval(27).upper == Approx(1 / 101.0));
  CHECK(constant.interval(56).lower == Approx(100 / 101.0));
  auto mostly_zero = std::vector<float>(60, 0);
  for (float x = 1; x <= 40; ++x) mostly_zero.push_back(x);
  const auto histogram = RankHistogram::of_values(mostly_zero);
  CHECK(histogram.interval(0).lower == Approx(1 / 101.0));
  CHECK(histogram.interval(0).upper >= 60 / 101.0);
}

TEST_CASE("what is learned counts like places of the reference once it is settled, and can be forgotten") {
  auto histogram = RankHistogram::of_values(one_to(15));
  for (int i = 0; i < 4; ++i) histogram.learn(100);
  CHECK(histogram.interval(100).lower == Approx(15 / 16.0));
  histogram.settle();
  CHECK(histogram.interval(100).lower == Approx(15 / 20.0));
  CHECK(histogram.interval(0).upper == Approx(1 / 20.0));
  CHECK(histogram.rank(100) == Approx(15.5 / 16));  // by the reference alone
  CHECK(RankHistogram{histogram.state()}.interval(100).lower == Approx(15 / 20.0));
  histogram.learn(100);
  histogram.discard();
  histogram.settle();
  CHECK(histogram.interval(100).lower == Approx(15 / 20.0));
  histogram.forget();
  CHECK(histogram.interval(100).lower == Approx(15 / 16.0));
}

TEST_CASE("values that cannot be ranked, and damaged states, are refused") {
  CHECK(test::code_of([] { RankHistogram::of_values({}); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { RankHistogram::of_values(std::vector<float>{2, 1}); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { RankHistogram::of_ranks(0); }) == Errc::invalid_argument);
  auto state = RankHistogram::of_ranks(20).state();
  state.places[0] = 0;
  CHECK(test::code_of([&] { RankHistogram{state}; }) == Errc::invalid_argument);
  CHECK(test::code_of([] { RankHistogram{RankHistogram::State{}}; }) == Errc::invalid_argument);
}

TEST_CASE("bins that grow faster are fewer and hold the same places") {
  const auto values = one_to(1000);
  const auto fine = RankHistogram::of_values(values);
  const auto coarse = RankHistogram::of_values(values, 4);
  CHECK(coarse.bins() < fine.bins() * 2 / 3);
  CHECK(coarse.total() == 1001);
  CHECK(coarse.state().places.front() == 1);
  CHECK(coarse.state().places.back() == 1);
  CHECK(coarse.interval(-1).upper == fine.interval(-1).upper);
  CHECK(test::code_of([&] { return RankHistogram::of_values(values, 1); }) == Errc::invalid_argument);
}

TEST_CASE("a flag falls into the part of its own kind") {
  const auto flag = RankHistogram::of_flag(15, 301);
  CHECK(flag.interval(0).lower == 0);
  CHECK(flag.interval(0).upper == Approx(286.0 / 301));
  CHECK(flag.interval(1).lower == Approx(286.0 / 301));
  CHECK(flag.interval(1).upper == 1);
  CHECK(test::code_of([] { return RankHistogram::of_flag(0, 10); }) == Errc::invalid_argument);
  CHECK(test::code_of([] { return RankHistogram::of_flag(10, 10); }) == Errc::invalid_argument);
}
