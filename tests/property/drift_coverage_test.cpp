// What a calibration promises holds: the interval of the real rate of false alarms, new groups, single labels.
#include <cmath>
#include <random>

#include "drift/coverage.hpp"
#include "drift/scorer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/synthetic.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

test::Points::value_type moved(std::vector<float> point, float by, std::mt19937& random) {
  std::normal_distribution<float> normal{0, by};
  for (auto& x : point) x += normal(random);
  return point;
}

double rate_of(const test::Points& fresh, const test::Points& reference, const Calibration& calibration, double alpha) {
  double flags = 0;
  for (const auto& point : fresh) {
    const auto found = test::nearest(reference, point, kNeighbours);
    const double s = score(Rule::blend, near_of(found.distances, found.rows, calibration), calibration);
    flags += p_value(s, calibration, Rule::blend) <= alpha ? 1 : 0;
  }
  return flags / static_cast<double>(fresh.size());
}

Calibration held_out(const test::Points& reference, const test::Points& images) {
  auto calibration = calibrate(reference.size(), test::source_of(reference));
  HeldOut held{Matrix{images.size(), images.front().size()}, {}};
  for (std::size_t i = 0; i < images.size(); ++i) std::ranges::copy(images[i], held.vectors.row(i).begin());
  const NeighbourSource search = [&](std::span<const std::int64_t> numbers, std::size_t k) {
    Neighbours all{k, {}, {}};
    for (const auto number : numbers) {
      const auto one = test::nearest(reference, images[static_cast<std::size_t>(number)], k);
      all.distances.insert(all.distances.end(), one.distances.begin(), one.distances.end());
      all.rows.insert(all.rows.end(), one.rows.begin(), one.rows.end());
    }
    return all;
  };
  rank_held_out(calibration, held, search, {});
  return calibration;
}

// Sets of points that belong together: near one another as frames of a video are, though no copies.
struct Videos {
  test::Points points;
  std::vector<std::uint32_t> groups;
};

Videos videos(std::size_t count, std::size_t frames, unsigned centre_seed, std::mt19937& random) {
  Videos result;
  for (const auto& scene : test::mixture(count, centre_seed, random)) {
    for (std::size_t i = 0; i < frames; ++i) {
      result.points.push_back(moved(scene, 0.2F, random));
      result.groups.push_back(static_cast<std::uint32_t>(result.groups.size() / frames));
    }
  }
  return result;
}

}  // namespace

TEST_CASE("the real rate of false alarms lies in the stated interval for about 95 references of 100") {
  const auto method = GENERATE(Method::leave_one_out, Method::held_out);
  constexpr int kReferences = 100;
  int inside = 0;
  for (unsigned seed = 0; seed < kReferences; ++seed) {
    std::mt19937 random{seed};
    const auto reference = test::mixture(150, seed, random);
    const auto calibration = method == Method::held_out ? held_out(reference, test::mixture(150, seed, random))
                                                        : calibrate(reference.size(), test::source_of(reference));
    const double rate = rate_of(test::mixture(1000, seed, random), reference, calibration, 0.05);
    const auto [expected, interval] = coverage_of(calibration, 0.05);
    inside += interval.lower <= rate && rate <= interval.upper ? 1 : 0;
  }
  CAPTURE(name_of(method), inside);
  CHECK(inside >= 87);  // of 100 tries with a chance of 0.95 it is less once in 1,600
}

TEST_CASE("on images of new groups, leaving one image out is badly wrong, and leaving one group out is right") {
  constexpr int kReferences = 20;
  double plain = 0;
  double grouped = 0;
  for (unsigned seed = 0; seed < kReferences; ++seed) {
    std::mt19937 random{seed};
    const auto reference = videos(60, 8, seed, random);
    const auto fresh = videos(60, 4, seed, random);
    const auto search = test::source_of(reference.points);
    CalibrationOptions options;
    plain += rate_of(fresh.points, reference.points, calibrate(480, search, options), 0.05) / kReferences;
    options.groups = reference.groups;
    const auto by_group = calibrate(480, search, options);
    CHECK(by_group.method == Method::leave_one_group_out);
    CHECK(by_group.groups == 60);
    CHECK(by_group.effective < 240);
    grouped += rate_of(fresh.points, reference.points, by_group, 0.05) / kReferences;
  }
  CAPTURE(plain, grouped);
  CHECK(plain > 0.3);
  CHECK(grouped == Approx(0.05).margin(0.02));  // 20 x 60 groups: one standard error is 0.006
}

TEST_CASE("too few groups are refused with the number needed") {
  std::mt19937 random{1};
  const auto few = videos(19, 10, 1, random);
  CalibrationOptions options;
  options.groups = few.groups;
  CHECK_THROWS_WITH(calibrate(190, test::source_of(few.points), options), Catch::Contains("needs 20"));
}

TEST_CASE("ranked within labels, each label has its alpha, where all together one has most of the false alarms") {
  constexpr int kReferences = 30;
  constexpr std::size_t kEach = 200;
  const std::vector<std::string> names{"even", "uneven"};
  std::array<double, 2> pooled{};
  std::array<double, 2> within{};
  for (unsigned seed = 0; seed < kReferences; ++seed) {
    std::mt19937 random{seed};
    CalibrationOptions options;
    test::Points reference;
    const auto point_of = [&](std::size_t label) {
      return moved(std::vector<float>(8, label == 0 ? 0.0F : 100.0F), label == 0 ? 1.0F : 3.0F, random);
    };
    for (std::size_t i = 0; i < 2 * kEach; ++i) {
      reference.push_back(point_of(i % 2));
      options.labels.push_back(names[i % 2]);
    }
    const auto calibration = calibrate(reference.size(), test::source_of(reference), options);
    for (std::size_t i = 0; i < 2 * kEach; ++i) {
      const auto found = test::nearest(reference, point_of(i % 2), kNeighbours);
      const double s = score(Rule::knn, near_of(found.distances, found.rows, calibration), calibration);
      const double share = 1.0 / (kReferences * kEach);
      pooled[i % 2] += p_value(s, calibration, Rule::knn) <= 0.05 ? share : 0;
      within[i % 2] += p_value(s, calibration, Rule::knn, kDefaultK, names[i % 2]) <= 0.05 ? share : 0;
    }
  }
  CAPTURE(pooled[0], pooled[1], within[0], within[1]);
  CHECK(pooled[0] < 0.01);
  CHECK(pooled[1] > 0.08);
  CHECK(within[0] == Approx(0.05).margin(0.015));  // leaning on all costs it up to 0.01
  CHECK(within[1] == Approx(0.05).margin(0.015));
}
