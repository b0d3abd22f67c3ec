#include "drift/retrain.hpp"

#include <set>
#include <utility>

#include "drift/retrain_record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"

using namespace driftd;
using namespace driftd::drift;
using enum RetrainStatus;

TEST_CASE("a request goes its way and no other") {
  const std::set<std::pair<RetrainStatus, RetrainStatus>> allowed{
      {requested, accepted}, {requested, rejected}, {accepted, training}, {accepted, failed}, {accepted, rejected},
      {training, ready},     {training, failed},    {ready, activated},   {ready, failed},    {ready, rejected}};
  constexpr std::array kAll{requested, accepted, training, ready, activated, failed, rejected};
  for (const auto from : kAll) {
    for (const auto to : kAll) {
      CAPTURE(name_of(from), name_of(to));
      CHECK(may_follow(from, to) == allowed.contains({from, to}));
    }
    CHECK(is_open(from) == (from == requested || may_follow(from, failed)));
    CHECK(retrain_status_of(name_of(from)) == from);
  }
  CHECK_FALSE(retrain_status_of("done"));
}

TEST_CASE("the same alert gives the same key, which can name a Kubernetes object") {
  const auto key = retrain_key("default@4", "alert-1");
  CHECK(key == retrain_key("default@4", "alert-1"));
  CHECK(key != retrain_key("default@5", "alert-1"));
  CHECK(key != retrain_key("default@4", "alert-2"));
  CHECK(key.size() <= 63);
  CHECK(key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos);
}

TEST_CASE("an alert joins a request once, and a request takes so many") {
  RetrainRequest request;
  CHECK(join(request, "a", "line-1"));
  CHECK_FALSE(join(request, "a", "line-1"));
  CHECK(join(request, "b", "line-1"));
  CHECK(request.streams == std::vector<std::string>{"line-1"});
  for (std::size_t i = 2; i < RetrainRequest::kMaxAlerts; ++i) CHECK(join(request, std::to_string(i), "line-2"));
  CHECK_FALSE(join(request, "one more", "line-3"));
  CHECK(request.alerts.size() == RetrainRequest::kMaxAlerts);
}

TEST_CASE("a retrain request is stored with its trial, and one from before there were trials is read") {
  RetrainRequest request{
      .id = "r", .reference = "default@4", .alerts = {"a"}, .streams = {"s"}, .status = RetrainStatus::ready};
  const auto without = encode(request);
  CHECK_FALSE(decode_retrain(without).trial);
  auto old = without;
  old.front() = std::byte{1};
  old.pop_back();
  CHECK(decode_retrain(old).reference == "default@4");
  request.trial = {100, 5, 200, 3, 90, true};
  const auto trial = decode_retrain(encode(request)).trial;
  REQUIRE(trial);
  CHECK((trial->at_ms == 100 && trial->version == 5 && trial->images == 200 && trial->ood == 3 &&
         trial->live_ood == 90 && trial->passed));
  request.trial->ood = 201;
  CHECK(test::code_of([&] { return decode_retrain(encode(request)); }) == Errc::corrupt);
}
