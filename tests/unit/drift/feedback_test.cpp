#include "drift/feedback.hpp"

#include "drift/statistics.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {

void judge(Feedback& feedback, const std::string& id, const std::string& label) {
  feedback.count(feedback.judge(id, label, 1));
}

}  // namespace

TEST_CASE("the vote is the most frequent label, of equals the nearest one's") {
  using Labels = std::vector<std::string>;
  CHECK(majority_label(Labels{"bag", "boot", "boot"}) == "boot");
  CHECK(majority_label(Labels{"bag", "boot", "coat"}) == "bag");
  CHECK(majority_label(Labels{"", "boot", "", ""}) == "boot");
  CHECK(majority_label(Labels{"", ""}).empty());
  CHECK(majority_label(Labels{}).empty());
}

TEST_CASE("accuracy is the share of right votes over the last labels of a stream") {
  Feedback feedback{{.window = 4}};
  for (int i = 0; i < 6; ++i) {
    const auto id = std::to_string(i);
    feedback.predicted(id, "line-1", "default@1", "bag");
    judge(feedback, id, i < 3 ? "boot" : "bag");
  }
  const auto accuracy = feedback.accuracy("line-1");
  CHECK(accuracy.total == 6);
  CHECK(accuracy.size == 4);
  CHECK(accuracy.rate == 0.75);
  CHECK(accuracy.lower == wilson(3, 4).lower);
  CHECK(accuracy.upper == wilson(3, 4).upper);
  CHECK(feedback.accuracy("line-2").size == 0);
  CHECK(feedback.accuracy("line-2").upper == 1);
  CHECK(feedback.accuracies().size() == 1);
}

TEST_CASE("an image is counted once, and another label for it is refused") {
  Feedback feedback;
  feedback.predicted("a", "line-1", "default@1", "bag");
  judge(feedback, "a", "bag");
  judge(feedback, "a", "bag");
  CHECK(feedback.accuracy("line-1").total == 1);
  CHECK(test::code_of([&] { return feedback.judge("a", "boot", 2); }) == Errc::conflict);
  feedback.predicted("a", "line-1", "default@1", "boot");  // the id is used for another image
  judge(feedback, "a", "boot");
  CHECK(feedback.accuracy("line-1").total == 2);
}

TEST_CASE("only the newest images can be judged, and only with a sound label") {
  Feedback feedback{{.max_predictions = 2, .max_label = 3}};
  for (const auto* id : {"a", "b", "a", "c"}) feedback.predicted(id, "s", "default@1", "bag");
  feedback.predicted("d", "s", "default@1", "");
  feedback.predicted("e", "s", "default@1", "long");
  CHECK(test::code_of([&] { return feedback.judge("b", "bag", 1); }) == Errc::not_found);
  CHECK(test::code_of([&] { return feedback.judge("d", "bag", 1); }) == Errc::not_found);
  CHECK(test::code_of([&] { return feedback.judge("e", "bag", 1); }) == Errc::not_found);
  CHECK_NOTHROW(feedback.judge("a", "bag", 1));
  CHECK_NOTHROW(feedback.judge("c", "bag", 1));
  CHECK(test::code_of([&] { return feedback.judge("a", "", 1); }) == Errc::invalid_argument);
  CHECK(test::code_of([&] { return feedback.judge("a", "long", 1); }) == Errc::invalid_argument);
}

TEST_CASE("streams are bounded, and restored judgements need no vote") {
  Feedback feedback{{.max_streams = 1}};
  feedback.count({"old", "line-1", "default@1", "bag", "bag", 1});
  feedback.count({"other", "line-2", "default@1", "bag", "bag", 1});
  REQUIRE(feedback.accuracies().size() == 1);
  CHECK(feedback.accuracies()[0].stream == "line-1");
}
