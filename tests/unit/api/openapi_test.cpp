// What openapi.json lists is what the program knows.
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "api/accuracy_watch.hpp"
#include "core/file.hpp"
#include "drift/calibration.hpp"
#include "drift/delivery.hpp"
#include "drift/detectors/kinds.hpp"
#include "drift/retrain.hpp"
#include "drift/review.hpp"
#include "index/kind.hpp"
#include "index/metric.hpp"
#include "tests/support/catch.hpp"

using namespace driftd;
using Names = std::vector<std::string>;

namespace {

// Those of a schema, by its path below components/schemas.
Names listed(const std::string& schema) {
  const auto description = boost::json::parse(read_text(DRIFTD_OPENAPI, 1 << 22));
  return boost::json::value_to<Names>(description.at_pointer("/components/schemas/" + schema + "/enum"));
}

template <class Enum>
Names names_up_to(Enum last) {
  Names names;
  for (int i = 0; i <= static_cast<int>(last); ++i) names.emplace_back(name_of(static_cast<Enum>(i)));
  return names;
}

}  // namespace

TEST_CASE("the description of the API lists every kind of index and every metric") {
  Names kinds;
  for (const auto kind : index::kKinds) kinds.emplace_back(name_of(kind));
  CHECK(listed("IndexKind") == kinds);
  CHECK(listed("Metric") == names_up_to(index::Metric::cosine));
}

TEST_CASE("the description of the API lists every rule that raises alerts") {
  Names rules;
  for (const auto& kind : drift::kDetectorKinds) rules.emplace_back(kind.name);
  rules.emplace_back(api::kAccuracyRule);
  CHECK(listed("Rule") == rules);
}

TEST_CASE("the description of the API lists every state that is stored by its number") {
  CHECK(listed("AlertState") == names_up_to(drift::AlertState::resolved));
  CHECK(listed("DeliveryState") == names_up_to(drift::DeliveryState::dead));
  CHECK(listed("RetrainStatus") == names_up_to(drift::RetrainStatus::rejected));
  CHECK(listed("ReviewState") == names_up_to(drift::ReviewState::accepted));
  CHECK(listed("ReviewSource") == names_up_to(drift::ReviewSource::random));
  CHECK(listed("Calibration/properties/method") == names_up_to(drift::Method::held_out));
}
