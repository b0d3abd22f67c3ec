// How a reference is calibrated, from the plan to the score.
#include <random>

#include "api/calibration_trial.hpp"
#include "api/reference.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/references.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

constexpr std::size_t kDimension = 12;

// Points around one centre; those of a group, `together` at a time, near each other.
Matrix cloud(std::size_t rows, std::uint64_t seed, std::size_t together = 1) {
  std::mt19937_64 random{seed};
  std::normal_distribution<float> normal;
  Matrix points{rows, kDimension};
  std::vector<float> centre(kDimension);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < kDimension; ++j) {
      if (i % together == 0) centre[j] = normal(random);
      points.row(i)[j] = centre[j] + (together > 1 ? 0.1F * normal(random) : 0);
    }
  }
  return points;
}

std::vector<index::Item> names(std::size_t count, std::size_t labels, std::size_t together = 1) {
  std::vector<index::Item> items;
  for (std::size_t i = 0; i < count; ++i) {
    items.push_back(
        {std::to_string(i), "label " + std::to_string(i / together % labels), "u/" + std::to_string(i), {}});
  }
  return items;
}

index::Segment segment_of(const Matrix& points, std::size_t labels = 2, std::size_t together = 1) {
  index::Segment items{kDimension};
  items.add(names(points.rows, labels, together), points);
  return items;
}

Reference reference_with(index::Segment items, CalibrationPlan plan) {
  Normal normal;
  normal.all = calibrate(items, 1, {}, plan);
  normal.plan = std::move(plan);
  items.set_companion(std::make_shared<const Normal>(std::move(normal)));
  return {std::make_shared<const index::Snapshot>(1, 0, std::make_shared<const index::Segment>(std::move(items)),
                                                  index::Tail{kDimension}.view(), nullptr, nullptr)};
}

double flagged(const Reference& reference, const Matrix& points, const ScoreOptions& options) {
  const auto scores = score(reference, points, options);
  return static_cast<double>(std::ranges::count_if(scores, [](const Score& s) { return s.ood; })) /
         static_cast<double>(points.rows);
}

}  // namespace

TEST_CASE("every rule flags fresh points like the reference at about alpha, and shifted ones nearly always") {
  const auto rule = GENERATE(from_range(drift::kRules));
  CAPTURE(drift::name_of(rule));
  const auto reference = reference_with(segment_of(cloud(500, 1)), {});
  CHECK(flagged(reference, cloud(1000, 2), {.rule = rule}) == Approx(0.05).margin(0.04));
  auto shifted = cloud(200, 3);
  for (auto& x : shifted.data) x += 3;
  CHECK(flagged(reference, shifted, {.rule = rule}) > 0.9);
}

TEST_CASE("under cosine the length of a vector changes no score, by any rule") {
  const auto rule = GENERATE(from_range(drift::kRules));
  CAPTURE(drift::name_of(rule));
  index::Segment items{kDimension, index::Metric::cosine};
  items.add(names(300, 2), cloud(300, 1));
  CalibrationPlan plan;
  plan.held_out.vectors = cloud(300, 4);
  for (auto& x : plan.held_out.vectors.data) x *= 7;
  const auto reference = reference_with(std::move(items), plan);
  auto points = cloud(400, 2);
  CHECK(flagged(reference, points, {.rule = rule}) == Approx(0.05).margin(0.05));
  const auto before = score(reference, points, {.rule = rule}).front();
  for (auto& x : points.data) x *= 3;
  CHECK(score(reference, points, {.rule = rule}).front().score == Approx(before.score).epsilon(1e-4));
}

TEST_CASE("ranked within its label, an image's answer names the label") {
  const auto reference = reference_with(segment_of(cloud(500, 1)), {});
  const auto points = cloud(1000, 2);
  CHECK(flagged(reference, points, {.per_label = true}) == Approx(0.05).margin(0.04));
  const auto one = score(reference, points, {.per_label = true}).front();
  CHECK(one.label->starts_with("label "));
  CHECK((one.p_value <= 0.05) == one.ood);
  const auto without = reference_with(segment_of(cloud(100, 1), 1), {});
  CHECK(test::message_of([&] { return score(without, points, {.per_label = true}); }).find("per_label") !=
        std::string::npos);
}

TEST_CASE("the threshold of a label is where its p-values reach alpha") {
  const auto reference = reference_with(segment_of(cloud(400, 4)), {});
  const auto& calibration = reference.calibration();
  const double alpha = GENERATE(0.02, 0.05, 0.5, 0.97);
  for (const auto* label : {"label 0", "label 1", "unknown"}) {
    const double limit = drift::threshold(alpha, calibration, drift::Rule::knn, 3, label);
    for (const float s : drift::leave_one_out(calibration, drift::Rule::knn, 3)) {
      REQUIRE((s >= limit) == (drift::p_value(s, calibration, drift::Rule::knn, 3, label) <= alpha));
    }
  }
  CHECK(test::code_of([&] { return drift::threshold(0.0005, calibration, drift::Rule::knn, 3, "label 0"); }) ==
        Errc::invalid_argument);
}

TEST_CASE("groups and held-out images stay with a reference and calibrate its compaction") {
  const auto [by_group, method] = GENERATE(
      table<bool, drift::Method>({{true, drift::Method::leave_one_group_out}, {false, drift::Method::held_out}}));
  CalibrationPlan plan;
  if (by_group) plan.grouping = decode_grouping("u/0,a\nu/1,a\n2,a\n");
  if (!by_group) plan.held_out.vectors = cloud(80, 6);
  const auto built = reference_with(segment_of(cloud(200, 5)), plan);
  CHECK(built.calibration().method == method);
  const test::TempDir dir;
  index::Collection::create(dir / "r", built.items->base(), {.model_hash = "h"}, attachments(built.normal()));
  embed::Bundle bundle;
  bundle.hash = "h";
  const auto collection = open_reference(dir / "r", bundle, true);
  (void)collection->upsert({{{"new", "label 0", "u/new", {}}, std::vector<float>(kDimension, 0.5F), {}}});
  (void)collection->compact(finish_like({collection->snapshot()}, 1, {}));
  const Reference compacted{collection->snapshot()};
  CHECK(compacted.items->base().size() == 201);
  CHECK(compacted.calibration().method == method);
  CHECK(compacted.calibration().groups == (by_group ? 199U : 0U));
  CHECK(compacted.calibration().ranked() == (by_group ? 201U : 80U));
  CHECK(compacted.normal().plan.held_out.vectors.data == plan.held_out.vectors.data);
}

TEST_CASE("images taken out of a reference are ranked by their alpha, single ones and groups") {
  const auto honest = try_calibration(reference_with(segment_of(cloud(1500, 7)), {}), {}, 1, {});
  CHECK(honest.p_values.size() == 300);
  CHECK(honest.calibrated_on == 1200);
  CHECK(honest.false_alarms(0.05) == Approx(0.05).margin(0.05));
  CHECK(honest.ks_distance() < honest.ks_limit());

  CalibrationPlan grouped;
  std::string groups;
  for (int i = 0; i < 1500; ++i) groups += std::to_string(i) + "," + std::to_string(i / 5) + "\n";
  grouped.grouping = decode_grouping(groups);
  const auto trial = try_calibration(reference_with(segment_of(cloud(1500, 8, 5), 2, 5), grouped), {}, 1, {});
  CHECK(trial.p_values.size() == 300);
  CHECK(trial.false_alarms(0.05) == Approx(0.05).margin(0.06));
}

TEST_CASE("half of the held-out images try the other half") {
  CalibrationPlan plan;
  plan.held_out.vectors = cloud(400, 9);
  const auto trial = try_calibration(reference_with(segment_of(cloud(500, 10)), plan), {}, 1, {});
  CHECK(trial.p_values.size() == 200);
  CHECK(trial.calibrated_on == 200);
  CHECK(trial.ks_distance() < trial.ks_limit());
}

TEST_CASE("the distance of p-values from uniform is the largest gap between their distribution and the diagonal") {
  CHECK(CalibrationTrial{10, {}, {0.25, 0.5, 0.75, 1}}.ks_distance() == Approx(0.25));
  CHECK(CalibrationTrial{10, {}, {0.9, 0.9, 0.9, 1}}.ks_distance() == Approx(0.9));
  CHECK(CalibrationTrial{10, {}, {0.01, 0.02, 0.03}}.ks_distance() == Approx(0.97));
  CHECK(CalibrationTrial{10, {}, {0.01, 0.05, 0.3, 0.4}}.false_alarms(0.05) == 0.5);
}
