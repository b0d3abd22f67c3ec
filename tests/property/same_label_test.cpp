#include "api/same_label.hpp"

#include <random>

#include "api/reference.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/references.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

constexpr std::size_t kDimension = 8;
constexpr std::size_t kClasses = 4;

// Overlapping Gaussian classes, each of its own width: class c is c + 1 times as wide as class 0.
struct Source {
  explicit Source(std::uint64_t seed) : random{seed} {}

  std::vector<float> draw(std::size_t label) {
    std::normal_distribution<float> normal{0, 0.5F * static_cast<float>(label + 1)};
    std::vector<float> vector;
    for (std::size_t i = 0; i < kDimension; ++i) vector.push_back(normal(random) + (i == label ? 4.0F : 0.0F));
    return vector;
  }
  std::mt19937_64 random;
};

std::string name_of(std::size_t label) {
  return "class " + std::to_string(label);
}

Reference make_reference(Source& source, std::size_t n) {
  index::Segment items{kDimension};
  for (std::size_t i = 0; i < n; ++i) {
    const auto vector = source.draw(i % kClasses);
    items.add({{std::to_string(i), name_of(i % kClasses), "", {}}}, Matrix{1, kDimension, vector});
  }
  auto calibration = calibrate(items, 1, {});
  auto normal = normal_of(items, std::move(calibration), true, 1, {});
  // A search for a label wants an opened segment.
  const test::TempDir dir;
  items.write(dir / "segment", {}, {});
  auto opened = index::Segment::open(dir / "segment");
  opened.set_companion(std::make_shared<const Normal>(std::move(normal)));
  return {std::make_shared<const index::Snapshot>(1, 0, std::make_shared<const index::Segment>(std::move(opened)),
                                                  index::Tail{kDimension}.view(), nullptr, nullptr)};
}

double flagged(const Reference& reference, Source& source, std::size_t n, bool given, std::size_t shift) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto vector = source.draw(i % kClasses);
    const ScoreOptions options{
        .alpha = 0.05, .among = Among::same_label, .label = given ? name_of((i + shift) % kClasses) : ""};
    count += score(reference, {1, kDimension, vector.data()}, options).front().ood ? 1 : 0;
  }
  return static_cast<double>(count) / static_cast<double>(n);
}

}  // namespace

TEST_CASE(
    "against its own label an image like the others is flagged at about alpha, given a wrong label nearly always") {
  const auto seed = static_cast<std::uint64_t>(GENERATE(take(2, random(1, 1 << 30))));
  CAPTURE(seed);
  Source source{seed};
  const auto reference = make_reference(source, 1000);
  // Four standard errors of reference and queries together.
  CHECK(std::abs(flagged(reference, source, 2000, true, 0) - 0.05) < 0.04);
  CHECK(std::abs(flagged(reference, source, 2000, false, 0) - 0.05) < 0.04);
  CHECK(flagged(reference, source, 500, true, 1) > 0.5);
}

TEST_CASE("a vote goes to the most frequent label, and to the nearest of equals") {
  const std::vector<std::string_view> even{"b", "a", "a", "b"};
  CHECK(vote(even) == "b");
  const std::vector<std::string_view> most{"b", "a", "a"};
  CHECK(vote(most) == "a");
  CHECK(vote({}).empty());
}

TEST_CASE("a label that nobody has is refused, and so is a reference built without") {
  Source source{3};
  const auto reference = make_reference(source, 200);
  const auto vector = source.draw(0);
  CHECK_THROWS_AS(score(reference, {1, kDimension, vector.data()}, {.among = Among::same_label, .label = "nobody"}),
                  Error);
  index::Segment items{kDimension};
  for (std::size_t i = 0; i < 100; ++i)
    items.add({{std::to_string(i), "", "", {}}}, Matrix{1, kDimension, source.draw(0)});
  auto calibration = calibrate(items, 1, {});
  const auto plain = test::reference_of(std::move(items), std::move(calibration));
  CHECK_THROWS_WITH(score(plain, {1, kDimension, vector.data()}, {.among = Among::same_label}),
                    Catch::Contains("--same-label"));
}
