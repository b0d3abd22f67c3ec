#include "drift/reservoir.hpp"

#include <map>
#include <set>

#include "drift/statistics.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

// Draws from 0 .. images - 1, the members held by the caller as the service holds them.
std::vector<int> sample_of(Reservoirs& reservoirs, int images) {
  std::vector<int> members;
  for (int i = 0; i < images; ++i) {
    if (!reservoirs.draw("s", "default@1", 0)) continue;
    if (members.size() >= reservoirs.size())
      members.erase(members.begin() + static_cast<std::ptrdiff_t>(reservoirs.random_below(members.size())));
    members.push_back(i);
  }
  return members;
}

}  // namespace

TEST_CASE("every image has the same chance to be in a random sample") {
  constexpr int kRuns = 4000;
  constexpr int kImages = 40;
  std::vector<std::uint64_t> in(kImages);
  for (int run = 0; run < kRuns; ++run) {
    Reservoirs reservoirs{5, static_cast<std::uint64_t>(run) + 1};
    const auto members = sample_of(reservoirs, kImages);
    REQUIRE(members.size() == 5);
    for (const auto member : members) ++in[static_cast<std::size_t>(member)];
  }
  for (std::size_t i = 0; i < in.size(); ++i) {
    CAPTURE(i, in[i]);
    const auto bounds =
        wilson(in[i], kRuns, 0.99999);  // 40 of them: a false failure in 2,500 seeds, and these are fixed
    CHECK((bounds.lower <= 0.125 && 0.125 <= bounds.upper));
  }
}

TEST_CASE("streams share the places of random samples equally") {
  Reservoirs reservoirs{6, 7};
  (void)reservoirs.draw("a", "r", 0);
  CHECK(reservoirs.size() == 6);
  (void)reservoirs.draw("b", "r", 0);
  (void)reservoirs.draw("c", "r", 0);
  CHECK(reservoirs.size() == 2);
  for (const auto* stream : {"d", "e", "f"}) CHECK(reservoirs.draw(stream, "r", 0));
  CHECK_FALSE(reservoirs.draw("one too many", "r", 0));
  CHECK(reservoirs.samples().size() == 6);
  CHECK_FALSE(Reservoirs(0, 7).draw("a", "r", 0));
}

TEST_CASE("another reference begins another round of a stream's sample") {
  Reservoirs reservoirs{2, 7};
  for (int i = 0; i < 10; ++i) (void)reservoirs.draw("a", "default@1", 100);
  CHECK(reservoirs.draw("a", "default@2", 200) == 2);
  const auto sample = reservoirs.sample("a");
  REQUIRE(sample);
  CHECK((sample->reference == "default@2" && sample->round == 2 && sample->since_ms == 200 && sample->seen == 1));
}

TEST_CASE("samples go on after a restart") {
  Reservoirs before{2, 7};
  for (int i = 0; i < 10; ++i) (void)before.draw("a", "r", 100);
  before.missed("a");
  before.missed("nobody");
  Reservoirs after{2, 8};
  after.restore(before.samples());
  (void)after.draw("a", "r", 300);
  const auto sample = after.sample("a");
  REQUIRE(sample);
  CHECK((sample->seen == 11 && sample->missed == 1 && sample->since_ms == 100 && sample->round == 1));
}
