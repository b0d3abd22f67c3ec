#include "drift/breakdown.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "drift/breakdown_record.hpp"
#include "drift/look_alikes.hpp"
#include "drift/rank_sum.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

constexpr std::size_t kDimension = 32;

// An embedding near the middle `at`, which lies on an axis of its own.
std::vector<float> near_middle(std::size_t at, float spread, std::mt19937& random) {
  std::normal_distribution<float> noise{0, spread};
  std::vector<float> vector(kDimension);
  for (auto& value : vector) value = noise(random);
  vector[at] += 1;
  return vector;
}

std::vector<std::vector<std::size_t>> groups_of(const std::vector<std::vector<float>>& vectors) {
  return look_alikes(std::vector<std::span<const float>>{vectors.begin(), vectors.end()});
}

struct Stream {
  void see(std::size_t middle, bool ood, const std::string& label, std::vector<float> properties,
           std::mt19937& random) {
    const auto number = images.size() + 1;
    images.push_back({.vector = std::make_shared<const std::vector<float>>(near_middle(middle, 0.05F, random)),
                      .reference = "default",
                      .at_ms = static_cast<std::int64_t>(1000 * number),
                      .properties = std::move(properties),
                      .label = {},
                      .image = number,
                      .request_id = "r" + std::to_string(number),
                      .ood = ood,
                      .nearest_label = label});
  }
  std::vector<RecentWindow::Image> images;
};

std::vector<float> evenly(std::size_t n) {
  std::vector<float> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(static_cast<float>(i) / static_cast<float>(n));
  return values;
}

const Profile kProfile{{"brightness", evenly(100)}, {"sharpness", {}}, {"width", std::vector<float>(100, 28)}};
const Expected kExpected{0.05, {{"bag", 0.2}, {"boot", 0.8}}, kProfile};

}  // namespace

TEST_CASE("a rank sum has the values that the definition gives, and ties that are all equal say nothing") {
  const auto [rank, p] = rank_sum({1.1F, 2.2F, 3.3F}, std::vector<float>{4, 5, 6, 7});
  CHECK(rank == 0);
  CHECK(p == Approx(0.0518).margin(0.001));
  const auto ties = rank_sum({1, 2, 2, 5, 7}, std::vector<float>{0, 2, 2, 3, 3, 4});
  CHECK(ties.rank == Approx(17.0 / 30));
  CHECK(ties.p_value == Approx(0.7787).margin(0.001));
  CHECK(rank_sum({28, 28}, std::vector<float>{28, 28, 28}).p_value == 1);
  CHECK(rank_sum({}, evenly(5)).rank == 0.5);
}

TEST_CASE("a rank sum's p-value is at most alpha in a share alpha of samples like the reference") {
  const auto seed = GENERATE(1U, 2U);
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::uniform_int_distribution<int> value{0, 40};
  constexpr int kTimes = 2000;
  int small = 0;
  for (int time = 0; time < kTimes; ++time) {
    std::vector<float> sample(30);
    std::vector<float> reference(200);
    for (auto& x : sample) x = static_cast<float>(value(random));
    for (auto& x : reference) x = static_cast<float>(value(random));
    std::ranges::sort(reference);
    small += rank_sum(sample, reference).p_value <= 0.05 ? 1 : 0;
  }
  CHECK(small > 0.035 * kTimes);
  CHECK(small < 0.065 * kTimes);
}

TEST_CASE("images of three kinds are three groups, the largest and the most typical first") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::vector<std::vector<float>> vectors;
  for (int i = 0; i < 12; ++i) vectors.push_back(near_middle(0, 0.1F, random));
  for (int i = 0; i < 30; ++i) vectors.push_back(near_middle(1, 0.1F, random));
  for (int i = 0; i < 8; ++i) vectors.push_back(near_middle(2, 0.1F, random));
  const auto groups = groups_of(vectors);
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].size() == 30);
  CHECK(groups[1].size() == 12);
  CHECK(groups[2].size() == 8);
  for (const auto i : groups[0]) CHECK((i >= 12 && i < 42));
  CHECK(groups_of(vectors) == groups);
}

TEST_CASE("images that nothing separates are one group, and so are few, none or equal ones") {
  const auto seed = GENERATE(range(1U, 6U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::vector<std::vector<float>> vectors;
  for (int i = 0; i < 60; ++i) vectors.push_back(near_middle(0, 0.1F, random));
  CHECK(groups_of(vectors).size() == 1);
  CHECK(groups_of({vectors.begin(), vectors.begin() + 4}).front().size() == 4);
  CHECK(groups_of(std::vector<std::vector<float>>(20, vectors[0])).size() == 1);
  CHECK(groups_of({}).empty());
  vectors.back().pop_back();
  CHECK(test::code_of([&] { return groups_of(vectors); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return groups_of(std::vector<std::vector<float>>(301, {1})); }) == Errc::invalid_argument);
}

TEST_CASE("a breakdown is about the strange images: their labels, their properties, and what look alike") {
  std::mt19937 random{3};
  Stream stream;
  for (int i = 0; i < 40; ++i) stream.see(0, false, "boot", {0.5F, 28}, random);
  for (int i = 0; i < 12; ++i) stream.see(1, true, "bag", {0.1F + 0.01F * static_cast<float>(i), 28}, random);
  for (int i = 0; i < 6; ++i) stream.see(2, true, "boot", {}, random);  // vectors have no properties
  const auto found = break_down(stream.images, kExpected);
  CHECK(found.from == 1);
  CHECK(found.until.image == 58);
  CHECK(found.images == 58);
  CHECK(found.strange == 18);
  CHECK(found.of_strange);
  REQUIRE(found.labels.size() == 2);
  CHECK(found.labels[0].label == "bag");
  CHECK(found.labels[0].share == Approx(12.0 / 18));
  CHECK(found.labels[0].expected == 0.2);
  REQUIRE(found.properties.size() == 2);
  CHECK(found.properties[0].name == "brightness");
  CHECK(found.properties[0].median == Approx(0.16));
  CHECK(found.properties[0].reference == 0.5F);
  CHECK(found.properties[0].rank < 0.2);
  CHECK(found.properties[0].p_value < 1e-3);
  CHECK(found.properties[1].name == "width");
  CHECK(found.properties[1].p_value == 1);
  REQUIRE(found.groups.size() == 2);
  CHECK(found.groups[0].images == 12);
  CHECK(found.groups[0].nearest_label == "bag");
  CHECK(found.groups[0].of_label == 12);
  CHECK(found.groups[0].first.image == 41);
  CHECK(found.groups[0].first.at_ms == 41'000);
  CHECK(found.groups[0].last.image == 52);
  CHECK(found.groups[0].examples.size() == kExamples);
}

TEST_CASE("a breakdown is about all images where strangeness is not what moved, and says nothing of none") {
  std::mt19937 random{3};
  Stream stream;
  for (int i = 0; i < 40; ++i) stream.see(0, i == 7 || i == 9, "boot", {0.05F, 28}, random);
  const auto found = break_down(stream.images, kExpected);
  CHECK_FALSE(found.of_strange);
  CHECK(found.strange == 2);
  CHECK(found.labels.at(0).images == 40);
  CHECK(found.properties.at(0).rank < 0.1);
  const auto none = break_down({}, kExpected);
  CHECK(none.images == 0);
  CHECK(none.groups.empty());
  const Profile nothing;
  CHECK(break_down(stream.images, {0.05, {{"", 1.0}}, nothing}).labels.empty());
  CHECK(break_down(stream.images, {0.05, {}, nothing}).properties.empty());
}

TEST_CASE("a breakdown comes back as it was stored, and damaged bytes are noticed") {
  std::mt19937 random{3};
  Stream stream;
  for (int i = 0; i < 9; ++i) stream.see(0, true, "bag", {0.5F, 28}, random);
  auto breakdown = break_down(stream.images, kExpected);
  breakdown.groups.at(0).neighbours = {{"17", "bag", "bag/17.png", 0.5}};
  const auto bytes = encode(breakdown);
  const auto read = decode_breakdown(bytes);
  CHECK(encode(read) == bytes);
  CHECK(read.groups.at(0).neighbours.at(0).uri == "bag/17.png");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(test::code_of([&] { return decode_breakdown(std::span{bytes}.first(size)); }) == Errc::corrupt);
  }
  auto longer = bytes;
  longer.push_back({});
  CHECK(test::code_of([&] { return decode_breakdown(longer); }) == Errc::corrupt);
}
