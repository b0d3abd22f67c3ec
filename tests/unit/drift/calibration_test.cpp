#include "drift/calibration.hpp"

#include <cmath>
#include <filesystem>
#include <limits>

#include "core/file.hpp"
#include "drift/scorer.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/synthetic.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

test::Points some_points(std::size_t n, unsigned seed = 7) {
  std::mt19937 random{seed};
  return test::mixture(n, 1, random);
}

Calibration calibration_of(const test::Points& points, CalibrationOptions options = {}) {
  return calibrate(points.size(), test::source_of(points), options);
}

}  // namespace

TEST_CASE("a row's own distances are those to its third and tenth neighbour without itself") {
  const auto points = some_points(60);
  const auto calibration = calibration_of(points);
  for (std::size_t row = 0; row < points.size(); ++row) {
    const auto found = test::nearest(points, points[row], 11);  // the row itself comes first
    CHECK(calibration.own3[row] == found.distances[3]);
    CHECK(calibration.own10[row] == found.distances[10]);
  }
  CHECK(calibration.ranked() == 60);
  CHECK(calibration.duplicates == 0);
}

TEST_CASE("a row that is left out is missing from the others' own distances, too, as a fresh image would be") {
  const auto points = some_points(60);
  const auto calibration = calibration_of(points);
  std::vector<float> expected;
  for (std::size_t row = 0; row < points.size(); ++row) {
    auto others = points;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(row));
    std::vector<Near> near;
    const auto found = test::nearest(others, points[row], kNeighbours);
    for (std::size_t i = 0; i < kNeighbours; ++i) {
      const auto own = test::nearest(others, others[static_cast<std::size_t>(found.rows[i])], 11).distances;
      near.push_back({found.distances[i], own[3], own[10]});
    }
    expected.push_back(static_cast<float>(score(Rule::rmean, near, calibration)));
  }
  std::ranges::sort(expected);
  const auto scores = leave_one_out(calibration, Rule::rmean);
  REQUIRE(scores.size() == expected.size());
  for (std::size_t i = 0; i < scores.size(); ++i) CHECK(scores[i] == Approx(expected[i]).epsilon(1e-5));
}

TEST_CASE("leave-one-out scores are ascending, and the blend is centred on the typical image") {
  const auto calibration = calibration_of(some_points(200));
  CHECK(std::ranges::is_sorted(leave_one_out(calibration, Rule::blend)));
  CHECK(std::abs(leave_one_out(calibration, Rule::blend)[100]) < 1);
  for (const auto& ranks : calibration.ranks) CHECK(std::ranges::is_sorted(ranks.scores));
  CHECK(leave_one_out(calibration, Rule::knn, 1).back() <= leave_one_out(calibration, Rule::knn, 10).back());
}

TEST_CASE("copies, exact and near, are counted and never serve as neighbours") {
  auto points = some_points(100);
  const auto clean = calibration_of(points);
  points.push_back(points[3]);
  points.push_back(points[4]);
  points.back()[0] += 0.005F;
  const auto calibration = calibration_of(points);
  CHECK(calibration.duplicates == 4);
  CHECK(calibration.own3[3] >= clean.own3[3] * 0.5F);
  CHECK(leave_one_out(calibration, Rule::knn, 1).front() > 0.01F);
}

TEST_CASE("a row with more copies than a search returns is searched again with a larger k") {
  auto points = some_points(80);
  for (int copy = 0; copy < 40; ++copy) points.push_back(points[0]);
  std::size_t largest_k = 0;
  const auto source = test::source_of(points);
  const auto calibration = calibrate(points.size(), [&](std::span<const std::int64_t> rows, std::size_t k) {
    largest_k = std::max(largest_k, k);
    return source(rows, k);
  });
  CHECK(largest_k == 64);
  CHECK(calibration.excluded == 0);
  CHECK(calibration.duplicates == 41);
}

TEST_CASE("rows whose copies hide every other image are left out and said so") {
  auto points = some_points(70);
  const std::vector<float> black(points[0].size(), 0.0F);
  for (int copy = 0; copy < 1100; ++copy) points.push_back(black);
  const auto calibration = calibration_of(points);
  CHECK(calibration.excluded == 1100);
  CHECK(calibration.ranked() == 70);
}

TEST_CASE("a reference that is too small, or all copies, is refused with the number needed") {
  const auto few = some_points(49);
  CHECK(test::message_of([&] { return calibration_of(few); }).find("needs 50") != std::string::npos);
  CHECK(test::code_of([&] { return calibration_of(some_points(10), {.min_items = 0}); }) == Errc::invalid_argument);
  CHECK_NOTHROW(calibration_of(some_points(11), {.min_items = 0}));
  const test::Points same(60, {1, 2});
  CHECK(test::message_of([&] { return calibration_of(same); }).find("copies") != std::string::npos);
}

TEST_CASE("images on a grid, all equally far apart, give finite scores") {
  test::Points points;
  for (int x = 0; x < 10; ++x) {
    for (int y = 0; y < 10; ++y) points.push_back({static_cast<float>(x), static_cast<float>(y)});
  }
  const auto calibration = calibration_of(points);
  for (const auto& term : calibration.terms) CHECK(term.spread >= kSpreadFloor);
  CHECK(std::isfinite(leave_one_out(calibration, Rule::blend).front()));
  CHECK(std::isfinite(leave_one_out(calibration, Rule::blend).back()));
}

TEST_CASE("progress is told after each block") {
  const auto points = some_points(55);
  std::vector<std::size_t> told;
  CalibrationOptions options;
  options.block = 20;
  options.progress = [&](std::size_t done) { told.push_back(done); };
  (void)calibration_of(points, options);
  CHECK(told == std::vector<std::size_t>{20, 40, 55});
}

TEST_CASE("a search that answers nonsense is an internal error, not a bad calibration") {
  const auto points = some_points(60);
  const auto source = test::source_of(points);
  const auto broken = [&](auto damage) {
    return test::code_of([&] {
      return calibrate(60, [&](std::span<const std::int64_t> rows, std::size_t k) {
        auto answer = source(rows, k);
        damage(answer);
        return answer;
      });
    });
  };
  CHECK(broken([](Neighbours& x) { x.rows[1] = 60; }) == Errc::internal);
  CHECK(broken([](Neighbours& x) { x.distances[1] = std::numeric_limits<float>::quiet_NaN(); }) == Errc::internal);
  CHECK(broken([](Neighbours& x) { x.distances[5] = -1; }) == Errc::internal);
  CHECK(broken([](Neighbours& x) { std::swap(x.distances[2], x.distances[9]); }) == Errc::internal);
  CHECK(broken([](Neighbours& x) { x.rows.pop_back(); }) == Errc::internal);
  CHECK(broken([](Neighbours&) {}) == std::nullopt);
}

TEST_CASE("a calibration survives its bytes") {
  auto points = some_points(90);
  points.push_back(points[0]);
  CalibrationOptions options;
  options.vectors = test::vectors_of(points);
  for (std::size_t i = 0; i < points.size(); ++i) options.labels.push_back(i % 2 == 0 ? "even" : "odd");
  const auto before = calibration_of(points, options);
  const auto after = decode_calibration(encode(before));
  CHECK(after.n == before.n);
  CHECK(after.duplicates == before.duplicates);
  CHECK(after.own3 == before.own3);
  CHECK(after.own10 == before.own10);
  CHECK(after.ranks == before.ranks);
  CHECK(after.labels == std::vector<std::string>{"even", "odd"});
  CHECK(after.gaussian.mean == before.gaussian.mean);
  CHECK(after.gaussian.directions.data == before.gaussian.directions.data);
  CHECK(after.gaussian.lower == before.gaussian.lower);
  CHECK(after.effective == before.effective);
  CHECK(after.typical_own3 == before.typical_own3);
  for (std::size_t i = 0; i < 4; ++i) CHECK(after.terms[i].median == before.terms[i].median);
  CHECK(encode(after) == encode(before));
}

TEST_CASE("every cut and every flipped byte of a stored calibration is noticed") {
  const auto bytes = encode(calibration_of(some_points(50)));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    REQUIRE(test::code_of([&] { return decode_calibration(std::span{bytes}.first(size)); }) == Errc::corrupt);
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{0x10};
    CAPTURE(at);
    REQUIRE(test::code_of([&] { return decode_calibration(damaged); }).has_value());
  }
}

TEST_CASE("calibrations of older formats are read, with the rules that they knew") {
  const auto [file, last] =
      GENERATE(table<const char*, Rule>({{"calibration-1.bin", Rule::knn}, {"calibration-2.bin", Rule::mean}}));
  const auto bytes = read_file(std::filesystem::path{DRIFTD_GOLDEN_DIRECTORY} / file);
  const auto old = decode_calibration(std::as_bytes(std::span{bytes}));
  CHECK(old.n == 13);
  CHECK(old.duplicates == 2);
  CHECK(old.ranked() == 13);
  CHECK(old.effective == 13);
  CHECK(old.method == Method::leave_one_out);
  CHECK(leave_one_out(old, Rule::blend).back() == 3.20064521F);
  CHECK(old.own3[2] == 11.3662939F);
  CHECK(p_value(0, old, last, 10) == 1);
  CHECK(test::code_of([&, missing = last == Rule::knn ? Rule::mean : Rule::l1] { return p_value(0, old, missing); }) ==
        Errc::invalid_argument);
  CHECK(decode_calibration(encode(old)).ranks == old.ranks);
}

TEST_CASE("a calibration of format 3 is read and written byte for byte") {
  const auto bytes = read_file(std::filesystem::path{DRIFTD_GOLDEN_DIRECTORY} / "calibration-3.bin");
  const auto stored = decode_calibration(std::as_bytes(std::span{bytes}));
  CHECK(leave_one_out(stored, Rule::blend).back() == 3.20064521F);
  CHECK(leave_one_out(stored, Rule::l1).size() == 13);
  CHECK(stored.labels == std::vector<std::string>{"even", "odd"});
  CHECK(std::ranges::equal(encode(stored), std::as_bytes(std::span{bytes})));
}

TEST_CASE("a calibration of a newer format asks for a newer program") {
  auto bytes = encode(calibration_of(some_points(50)));
  bytes[4] = std::byte{4};
  CHECK(test::code_of([&] { return decode_calibration(bytes); }) == Errc::conflict);
}
