#include "drift/evidence.hpp"

#include "tests/support/catch.hpp"

using namespace driftd::drift;

namespace {

Evidence image(std::uint64_t ordinal, double p, double score = 0) {
  return {"r" + std::to_string(ordinal), ordinal, score, p, 1, {}};
}

std::vector<std::uint64_t> ordinals(const std::vector<Evidence>& all) {
  std::vector<std::uint64_t> result;
  for (const auto& evidence : all) result.push_back(evidence.image);
  return result;
}

}  // namespace

TEST_CASE("the strangest images come first: smaller p, then larger score, then newer") {
  WorstImages worst{3, 100};
  for (const auto& e : {image(1, 0.5), image(2, 0.01, 3), image(3, 0.01, 9), image(4, 0.2), image(5, 0.01, 3)})
    worst.add(e);
  CHECK(ordinals(worst.worst(5)) == std::vector<std::uint64_t>{3, 5, 2});
}

TEST_CASE("an image that left the window is no evidence, and the next strangest takes its place") {
  WorstImages worst{1, 10};
  worst.add(image(1, 0.01));
  worst.add(image(5, 0.2));
  CHECK(ordinals(worst.worst(10)) == std::vector<std::uint64_t>{1});
  CHECK(ordinals(worst.worst(11)) == std::vector<std::uint64_t>{5});
  CHECK(worst.worst(15).empty());
}

TEST_CASE("memory stays bounded on a stream that grows less strange image by image") {
  WorstImages worst{2, 10'000};
  for (std::uint64_t i = 1; i <= 1000; ++i) worst.add(image(i, 0.0001 * static_cast<double>(i)));
  CHECK(worst.candidates().size() == 32);
  CHECK(ordinals(worst.worst(1000)) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("long texts are cut between characters") {
  WorstImages worst{1, 10};
  Evidence e = image(1, 0.1);
  e.request_id.assign(127, 'x');
  e.request_id += "\xC3\xA9";  // the limit falls inside this character
  e.neighbours.assign(50, {"id", "label", std::string(5000, 'u'), 1});
  worst.add(e);
  const auto kept = worst.worst(1).front();
  CHECK(kept.request_id == std::string(127, 'x'));
  CHECK(kept.neighbours.size() == 10);
  CHECK(kept.neighbours[0].uri.size() == 1024);
}

TEST_CASE("no evidence is kept when none is wanted") {
  WorstImages worst{0, 10};
  worst.add(image(1, 0.1));
  CHECK(worst.worst(1).empty());
}
