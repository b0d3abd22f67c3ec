#include "api/reference.hpp"

#include <random>

#include "api/messages/reference.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/references.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

constexpr std::size_t kDimension = 16;

Matrix cloud(std::size_t rows, std::uint64_t seed, float shift = 0) {
  std::mt19937_64 random{seed};
  std::normal_distribution<float> normal{shift, 1};
  Matrix points{rows, kDimension};
  for (auto& value : points.data) value = normal(random);
  return points;
}

Reference make_reference(std::uint64_t seed) {
  index::Segment items{kDimension};
  const auto points = cloud(500, seed);
  std::vector<index::Item> names;
  for (std::size_t i = 0; i < points.rows; ++i) names.push_back({std::to_string(i), "label", "u/" + std::to_string(i)});
  items.add(std::move(names), points);
  auto calibration = calibrate(items, 1, {});
  return test::reference_of(std::move(items), std::move(calibration));
}

double ood_rate(const Reference& reference, const Matrix& points, drift::Rule rule) {
  const auto scores = score(reference, points, {.rule = rule});
  return static_cast<double>(std::count_if(scores.begin(), scores.end(), [](const auto& s) { return s.ood; })) /
         static_cast<double>(points.rows);
}

}  // namespace

TEST_CASE("fresh points like the reference are flagged at about alpha, shifted ones nearly always") {
  const auto seed = GENERATE(take(3, random(1, 1 << 30)));
  const auto rule = GENERATE(drift::Rule::blend, drift::Rule::knn);
  CAPTURE(seed);
  const auto reference = make_reference(static_cast<std::uint64_t>(seed));
  CHECK(ood_rate(reference, cloud(1000, static_cast<std::uint64_t>(seed) + 1), rule) < 0.12);
  CHECK(ood_rate(reference, cloud(1000, static_cast<std::uint64_t>(seed) + 2, 2), rule) > 0.9);
}

TEST_CASE("one vector scores the same alone and in a batch") {
  const auto reference = make_reference(11);
  const auto points = cloud(64, 12);
  const auto together = score(reference, points, {});
  for (std::size_t i = 0; i < points.rows; ++i) {
    const auto alone = score(reference, {1, kDimension, points.row(i).data()}, {}).front();
    CHECK(alone.score == Approx(together[i].score).margin(1e-6));
    CHECK(alone.neighbours.front().id == together[i].neighbours.front().id);
  }
}

TEST_CASE("a reference is bound to its bundle by hash and finds its calibration again") {
  test::TempDir dir;
  const auto reference = make_reference(21);
  index::Collection::create(dir / "r", reference.items->base(),
                            {.model_hash = "right", .model_directory = "models/net"}, attachments(reference.normal()));
  embed::Bundle bundle;
  bundle.hash = "right";
  const auto loaded = load_reference(dir / "r", bundle);
  const auto point = cloud(1, 22);
  CHECK(score(loaded, point, {}).front().score == score(reference, point, {}).front().score);
  CHECK(model_directory("", dir / "r") == "models/net");
  CHECK(model_directory("mine", dir / "r") == "mine");
  bundle.hash = "wrong";
  CHECK_THROWS_WITH(load_reference(dir / "r", bundle), Catch::Contains("build it again"));
}

TEST_CASE("a reference keeps its components, and one that was built without them loads and has no such group") {
  test::TempDir dir;
  const auto reference = make_reference(31);
  const auto normal = normal_of(reference.items->base(), reference.calibration(), false, 1, {});
  embed::Bundle bundle;
  for (const bool with : {true, false}) {
    const std::string name = with ? "new" : "old";
    index::Collection::create(dir / name, reference.items->base(), {.model_directory = "models/net"},
                              attachments(with ? normal : reference.normal()));
    const auto loaded = load_reference(dir / name, bundle);
    CHECK(loaded.normal().components.count == (with ? normal.components.count : 0));
    CHECK(loaded.normal().watched->size() == loaded.normal().components.count);
    CHECK((loaded.normal().windows != nullptr) == with);
    const auto values = watched_values(loaded, cloud(1, 32).row(0), {});
    CHECK(values == (with ? drift::project(normal.components, cloud(1, 32).row(0)) : std::vector<float>{}));
  }
}

TEST_CASE("times are RFC 3339 in UTC") {
  CHECK(rfc3339(0) == "1970-01-01T00:00:00.000Z");
  CHECK(rfc3339(1'767'323'045'678) == "2026-01-02T03:04:05.678Z");
}

TEST_CASE("a profile has the values of every property of every image, and an image has a value for each") {
  ProfileBuilder builder;
  CHECK(builder.finish().empty());
  builder.add({.brightness = 0.5, .contrast = 0.2, .sharpness = 0.1, .width = 40, .height = 20, .jpeg_quality = 90});
  builder.add({.brightness = 0.3, .contrast = 0.4, .sharpness = 0.3, .width = 20, .height = 20, .jpeg_quality = 80});
  Normal normal;
  normal.watch({}, builder.finish());
  REQUIRE(normal.profile.size() == embed::kPropertyNames.size());
  for (std::size_t i = 0; i < normal.profile.size(); ++i) {
    CAPTURE(normal.profile[i].name);
    CHECK(normal.profile[i].name == embed::kPropertyNames[i]);
    CHECK(normal.profile[i].ascending.size() == 2);
  }
  CHECK(normal.profile[0].ascending == std::vector<float>{0.3F, 0.5F});
  CHECK(normal.watched->size() == embed::kPropertyNames.size());
}
