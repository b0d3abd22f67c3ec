#include "drift/store.hpp"

#include <cmath>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/stored.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::drift;
using namespace driftd::test;

namespace {

RetrainRequest some_request(const std::string& id, RetrainStatus status, std::int64_t created_ms = 1) {
  RetrainRequest request;
  request.id = id;
  request.reference = "default@4";
  request.alerts = {"a", "b"};
  request.streams = {"line-1"};
  request.status = status;
  request.created_ms = created_ms;
  request.updated_ms = 2;
  request.reference_version = 5;
  request.command_started_ms = 3;
  request.exit_code = -1;
  request.output = "done";
  return request;
}

}  // namespace

TEST_CASE("alerts and streams come back as they were saved") {
  test::TempDir dir;
  {
    Store store{dir / "s.db"};
    store.save_alert(some_alert("b", AlertState::firing, 200));
    store.save_alert(some_alert("a", AlertState::firing, 100));
    store.save_alert(some_alert("a", AlertState::resolved, 100));
    store.save_streams(std::vector{some_stream("y"), some_stream("x")});
    store.save_streams(std::vector{some_stream("x")});  // those that are not among them stay
  }
  const auto saved = Store{dir / "s.db"}.load();
  REQUIRE(saved.alerts.size() == 2);
  CHECK(saved.alerts[0].id == "a");
  const auto& alert = saved.alerts[0];
  CHECK(alert.state == AlertState::resolved);
  CHECK(alert.started.image == 9);
  CHECK(alert.false_alarm_per_image == 1e-6);
  CHECK(alert.evidence.at(0).request_id == some_alert("a", AlertState::firing).evidence[0].request_id);
  REQUIRE(alert.curve.size() == 2);
  CHECK(alert.curve[1].at.image == 10);
  CHECK(alert.curve[1].value == 0.75F);
  CHECK(std::isinf(alert.curve[1].limit));
  CHECK(alert.evidence.at(0).neighbours.at(0).uri == "train/bag/17.png");
  REQUIRE(saved.streams.size() == 2);
  CHECK(saved.streams[1].name == "y");
  const auto& stream = saved.streams[0];
  CHECK(stream.name == "x");
  CHECK(stream.window.flags == std::vector<bool>{true, false, true});
  CHECK(stream.window.total_flagged == 12);
  REQUIRE(stream.time_window.buckets.size() == 2);
  CHECK(stream.time_window.seconds == 60);
  CHECK(stream.time_window.buckets[0].flagged == 2);
  REQUIRE(stream.rules.size() == 3);
  CHECK(stream.rules[0].watch.machine.phase == AlertMachine::Phase::pending);
  CHECK(stream.rules[0].watch.machine.held == 4);
  const auto& channels = stream.rules[1].detector.channels;
  REQUIRE(channels.size() == 2);
  CHECK(channels[0].ranks.state().places == score_channel(300).ranks.state().places);
  CHECK(channels[1].name == "width");
  CHECK(channels[1].both_ends);
  CHECK(channels[1].ranks.state().learned == std::vector<std::uint32_t>{0, 300, 0});
  CHECK(channels[1].ranks.state().waiting == std::vector<std::uint32_t>{1, 0, 0});
  CHECK(channels[1].lower[1].wealth == 0.1 + 0.2);
  CHECK(channels[1].lower[1].since.image == 8);
  CHECK(channels[1].recent_rank == 0.25);
  CHECK(stream.rules[1].name == "e-detector");
  CHECK(stream.rules[1].watch.machine.phase == AlertMachine::Phase::firing);
  CHECK(stream.rules[1].watch.alert_id == "a");
  CHECK(stream.rules[2].detector.numbers == std::vector<double>{3, 0.1 + 0.2, -1});
  REQUIRE(stream.rules[0].curve.size() == 1);
  CHECK(stream.rules[0].curve[0].value == 0.5F);
  CHECK(stream.rules[2].detector.begun.image == 7);
  CHECK(stream.candidates.at(0).image == 29);
}

TEST_CASE("a new store is empty") {
  test::TempDir dir;
  const Store store{dir / "s.db"};
  CHECK(store.load().streams.empty());
  CHECK(store.load().alerts.empty());
  CHECK(notices_in(store, DeliveryState::pending) == 0);
}

TEST_CASE("the history of an alert is kept in order and goes with the alert") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_alerts = 1}};
  const News fired{
      .history = {{90, "pending", "driftd", ""}, {100, "firing", "driftd", ""}, {100, "notified", "driftd", "1"}}};
  store.save_alert(some_alert("a", AlertState::firing), fired);
  store.save_alert(some_alert("a", AlertState::firing), {.history = {{110, "acknowledged", "ann", "a lens is dirty"}}});
  const auto history = store.history("a");
  REQUIRE(history.size() == 4);
  CHECK(history[3].what == "acknowledged");
  CHECK(history[3].who == "ann");
  CHECK(history[3].note == "a lens is dirty");
  CHECK(store.last_notified() == std::map<std::string, std::int64_t>{{"a", 100}});
  store.save_alert(some_alert("a", AlertState::resolved));
  store.save_alert(some_alert("b", AlertState::firing, 200));
  CHECK(store.history("a").empty());
}

TEST_CASE("a long history drops repeated notices first, then the oldest entries") {
  test::TempDir dir;
  Store store{dir / "s.db"};
  News news{.history = {{1, "firing", "driftd", ""}}};
  for (std::size_t i = 0; i < kMaxHistory; ++i) news.history.push_back({2, "notified", "driftd", ""});
  store.save_alert(some_alert("a", AlertState::firing), news);
  REQUIRE(store.history("a").size() == kMaxHistory);
  CHECK(store.history("a").front().what == "firing");
  for (std::size_t i = 0; i < kMaxHistory; ++i) {
    store.save_alert(some_alert("a", AlertState::firing), {.history = {{3, "acknowledged", "ann", std::to_string(i)}}});
  }
  REQUIRE(store.history("a").size() == kMaxHistory);
  CHECK(store.history("a").front().note == "0");
}

TEST_CASE("silences come back, go, and are bounded; those that are over make room") {
  test::TempDir dir;
  {
    Store store{dir / "s.db", {.max_silences = 2}};
    store.save_silence({"1", "line-*", 10, 20, "ann", "new lamps"}, "a", {10, "silenced", "ann", "new lamps"});
    store.save_silence({"2", "x", 10, 90, "", ""}, "", {});
    CHECK(store.history("a").size() == 1);
    CHECK(test::code_of([&] { return store.save_silence({"3", "y", 15, 90, "", ""}, "", {15, "", "", ""}), 0; }) ==
          Errc::overloaded);
    CHECK_NOTHROW(store.save_silence({"3", "y", 25, 90, "", ""}, "", {25, "", "", ""}));
    store.remove_silences(std::vector<std::string>{"2"}, "a", {30, "unsilenced", "bob", ""});
  }
  const Store store{dir / "s.db"};
  REQUIRE(store.silences().size() == 1);
  CHECK(store.silences()[0].id == "3");
  CHECK(store.silences()[0].until_ms == 90);
  CHECK(store.history("a").back().what == "unsilenced");
}

TEST_CASE("retrain requests come back as they were saved, with the alert that raised them") {
  test::TempDir dir;
  {
    Store store{dir / "s.db", {.max_retrains = 2}};
    const News news{.retrain = some_request("r1", RetrainStatus::requested, 1),
                    .retrain_history = {{1, "requested", "driftd", "a"}}};
    store.save_alert(some_alert("a", AlertState::firing), news);
    store.save_retrain(some_request("r2", RetrainStatus::failed, 2), {.history = {{2, "failed", "ci", ""}}}, 2);
    store.save_retrain(some_request("r3", RetrainStatus::training, 3), {}, 3);
  }
  const Store store{dir / "s.db"};
  const auto all = store.retrains();
  REQUIRE(all.size() == 2);
  CHECK(all[0].id == "r3");
  CHECK(all[0].status == RetrainStatus::training);
  CHECK(all[1].id == "r1");
  CHECK(all[1].alerts == std::vector<std::string>{"a", "b"});
  CHECK(all[1].exit_code == -1);
  CHECK(all[1].output == "done");
  CHECK(store.history("r1").size() == 1);
  CHECK(store.history("r2").empty());
  CHECK_FALSE(store.retrain("r2"));
  CHECK(store.retrain("r1")->reference_version == 5);
}

TEST_CASE("the history of alerts is bounded; firing ones stay") {
  test::TempDir dir;
  Store store{dir / "s.db", {.max_alerts = 3}};
  store.save_alert(some_alert("old-but-firing", AlertState::firing, 1));
  for (int i = 2; i < 9; ++i) store.save_alert(some_alert("a" + std::to_string(i), AlertState::resolved, i));
  const auto alerts = store.load().alerts;
  REQUIRE(alerts.size() == 3);
  CHECK(alerts[0].id == "old-but-firing");
  CHECK(alerts[1].id == "a7");
}

TEST_CASE("judgements come back in order and are bounded") {
  test::TempDir dir;
  {
    Store store{dir / "s.db", {.max_feedback = 2}};
    for (const auto* id : {"1", "2", "3"}) store.save_judgement({id, "line-1", "default@1", "bag", "boot", 7});
  }
  const auto all = Store{dir / "s.db"}.judgements();
  REQUIRE(all.size() == 2);
  CHECK(all[0].request_id == "2");
  CHECK(all[1].label == "boot");
  CHECK_FALSE(all[1].correct());
}

TEST_CASE("the breakdown and the pictures of an alert come back, are added to, and go with the alert") {
  test::TempDir dir;
  const Breakdown breakdown{.from = 3, .until = {100, 9}, .images = 7, .strange = 5, .of_strange = true};
  const Picture first{0, "r1", 96, 64, {std::byte{1}, std::byte{2}}};
  const Picture second{1, "r2", 96, 96, {std::byte{3}}};
  Store store{dir / "s.db", {.max_alerts = 1}};
  CHECK_FALSE(store.save_evidence("a", breakdown, {}));
  store.save_alert(some_alert("a", AlertState::resolved));
  CHECK_FALSE(store.breakdown("a").has_value());
  CHECK(store.save_evidence("a", breakdown, {&first, 1}));
  CHECK(store.save_evidence("a", {.from = 3, .images = 14}, {&second, 1}));
  CHECK(store.breakdown("a")->images == 14);
  REQUIRE(store.pictures("a").size() == 2);
  CHECK(store.pictures("a")[1].request_id == "r2");
  CHECK(store.pictures("a")[0].height == 64);
  CHECK(store.picture("a", 0) == first.jpeg);
  CHECK(store.picture("a", 2).empty());
  store.save_alert(some_alert("b", AlertState::firing, 200));
  CHECK_FALSE(store.breakdown("a").has_value());
  CHECK(store.pictures("a").empty());
  CHECK(store.picture("a", 0).empty());
}
