#include "api/retrain_trials.hpp"

#include "api/log.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

ShadowReport report(std::size_t images, std::size_t ood, bool fires = false) {
  ShadowStream stream{.stream = "s", .images = images};
  stream.candidate = {"default@2", ood, {{"ood-rate", fires, 0, 0.1}, {"e-detector", true, 9, 5}}};
  return {"default@1", "default@2", 0.05, {stream}, stream};
}

// A store with a request whose version is ready.
struct Desk {
  Desk() : store{dir / "s.db"}, notices{{}, "", 0}, retrain{{}, notices, store, metrics} {
    set_log_sink([](std::string_view) {});
    store.save_retrain({.id = "r",
                        .reference = "default@1",
                        .alerts = {"a"},
                        .streams = {"s"},
                        .status = drift::RetrainStatus::ready,
                        .reference_version = 2},
                       {}, 1);
  }
  ~Desk() { set_log_sink({}); }

  test::TempDir dir;
  drift::Store store;
  Metrics metrics{"test"};
  Notices notices;
  RetrainService retrain;
};

}  // namespace

TEST_CASE("a version passes when the upper bound of its rate is low enough over enough images") {
  const RetrainConfig config{.activate_below = 0.1, .activate_min_images = 100};
  CHECK(passes(config, report(200, 8)));
  CHECK_FALSE(passes(config, report(200, 12)));  // 6%, but at most 10.2% with confidence
  CHECK_FALSE(passes(config, report(99, 0)));
  CHECK_FALSE(passes(config, report(200, 8, true)));  // an alert would have fired
}

TEST_CASE("a trial is recorded, and with it what went live") {
  Desk desk;
  desk.retrain.tried("r", {.at_ms = 5, .version = 2, .images = 200, .ood = 30}, "30 of 200", false);
  auto request = desk.store.retrain("r");
  REQUIRE(request);
  CHECK(request->status == drift::RetrainStatus::ready);
  REQUIRE(request->trial);
  CHECK(request->trial->ood == 30);
  desk.retrain.tried("r", {.at_ms = 6, .version = 2, .images = 200, .ood = 3, .passed = true}, "3 of 200", true);
  CHECK(desk.store.retrain("r")->status == drift::RetrainStatus::activated);
  const auto history = desk.store.history("r");
  REQUIRE(history.size() == 3);
  CHECK((history[0].what == "tried" && history[0].note == "30 of 200" && history[2].what == "activated"));
  CHECK(desk.store.retrains(true).empty());
}

TEST_CASE("a trial of a version that is no longer asked for is not recorded") {
  Desk desk;
  desk.retrain.tried("r", {.at_ms = 5, .version = 1}, "old", true);
  desk.retrain.tried("unknown", {.at_ms = 5, .version = 2}, "old", true);
  CHECK_FALSE(desk.store.retrain("r")->trial);
  CHECK(desk.store.history("r").empty());
}
