#include "api/alert_service.hpp"

#include <boost/json.hpp>

#include "api/log.hpp"
#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

constexpr std::int64_t kMinute = 60'000;

WebhookTarget target() {
  WebhookTarget made;
  made.name = "ops";
  made.url = parse_webhook_url("https://ops.example/");
  made.events = {"alert.firing", "alert.resolved"};
  return made;
}

drift::MonitorOptions quick() {
  drift::MonitorOptions options;
  options.window = 10;
  options.rule = {.threshold = 0.5, .resolve_below = 0.5, .min_size = 5, .for_images = 2, .resolve_after = 3};
  options.run_length = 0;
  return options;
}

// The service about a monitor, with time in the hands of the test.
struct Desk {
  explicit Desk(std::int64_t repeat_ms = 0, drift::StoreOptions options = {}, std::string mode = "suggest")
      : store{dir / "s.db", options},
        notices{{target()}, "", repeat_ms},
        retrain{{.mode = std::move(mode)}, notices, store, metrics} {
    set_log_sink([](std::string_view) {});
  }
  ~Desk() { set_log_sink({}); }

  void observe(bool strange, int times, const std::string& stream = "line-1") {
    for (int i = 0; i < times; ++i) {
      monitor.observe(stream, {"default@1", 1000, 0.05},
                      {strange ? 5.0 : 0.0, strange ? 0.001 : 0.5, strange, 1, "r", {}}, now);
    }
  }
  // An alert of the stream that has just fired.
  drift::Alert fire(const std::string& stream = "line-1") {
    observe(true, 12, stream);
    return monitor.alerts().front();
  }
  void tick(std::int64_t later_ms) {
    now += later_ms;
    alerts.tick(monitor, now);
  }
  std::vector<std::string> events(const std::string& id) const {
    std::vector<std::string> all;
    for (const auto& entry : store.history(id)) all.push_back(entry.what);
    return all;
  }
  std::vector<std::string> sent() const {  // the oldest first
    std::vector<std::string> all;
    for (const auto& delivery : store.deliveries({.limit = 500})) all.insert(all.begin(), delivery.event);
    return all;
  }

  test::TempDir dir;
  std::int64_t now = 1'000'000;
  drift::Store store;
  Metrics metrics{"test"};
  Notices notices;
  RetrainService retrain;
  AlertService alerts{notices, store, retrain, [] {}};
  drift::Monitor monitor{quick(), [this](const drift::Event& event) { alerts.on_event(monitor, event.alert, now); }};
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a firing alert is told again until somebody acknowledges it") {
  Desk desk{10 * kMinute};
  const auto id = desk.fire().id;
  CHECK(desk.sent() == Texts{"alert.firing"});
  desk.tick(10 * kMinute - 1);
  CHECK(desk.sent().size() == 1);
  desk.tick(1);
  desk.tick(5 * kMinute);
  desk.tick(5 * kMinute);
  CHECK(desk.sent() == Texts{"alert.firing", "alert.firing", "alert.firing"});
  (void)desk.alerts.acknowledge(desk.monitor, id, {"ann", ""}, desk.now);
  desk.tick(60 * kMinute);
  CHECK(desk.sent().size() == 3);
  desk.observe(false, 20);
  CHECK(desk.sent().back() == "alert.resolved");
  desk.tick(60 * kMinute);
  CHECK(desk.sent().size() == 4);
}

TEST_CASE("when a firing alert was told is known after a restart") {
  Desk desk{10 * kMinute};
  (void)desk.fire();
  AlertService second{desk.notices, desk.store, desk.retrain, [] {}};
  second.restore(desk.monitor);
  second.tick(desk.monitor, desk.now + 10 * kMinute - 1);
  CHECK(desk.sent().size() == 1);
  second.tick(desk.monitor, desk.now + 10 * kMinute);
  CHECK(desk.sent().size() == 2);
}

TEST_CASE("a silence keeps notices and the request to retrain back until it ends") {
  Desk desk;
  desk.store.save_silence({"1", "line-*", 0, desk.now + kMinute, "", ""}, "", {});
  const auto id = desk.fire().id;
  CHECK(desk.events(id) == Texts{"pending", "firing", "muted"});
  desk.tick(kMinute - 1);
  CHECK(desk.sent().empty());
  CHECK(desk.store.retrains().empty());
  desk.tick(1);
  desk.tick(1);
  CHECK(desk.sent() == Texts{"alert.firing"});
  CHECK(desk.store.retrains().size() == 1);
  CHECK(desk.events(id) == Texts{"pending", "firing", "muted", "notified"});
}

TEST_CASE("an alert that a silence kept back and somebody acknowledged is not told later") {
  Desk desk;
  desk.store.save_silence({"1", "line-*", 0, desk.now + kMinute, "", ""}, "", {});
  (void)desk.alerts.acknowledge(desk.monitor, desk.fire().id, {"ann", ""}, desk.now);
  desk.tick(2 * kMinute);
  CHECK(desk.sent().empty());
}

TEST_CASE("an end is told to whoever was told of the beginning, and to nobody else") {
  const bool told = GENERATE(true, false);
  Desk desk;
  const drift::Silence silence{"1", "*", 0, desk.now + kMinute, "", ""};
  if (!told) desk.store.save_silence(silence, "", {});
  const auto alert = desk.fire();
  if (told) desk.alerts.silence(alert, desk.now + kMinute, {"ann", ""}, desk.now);
  desk.observe(false, 20);
  CHECK(desk.sent() == (told ? Texts{"alert.firing", "alert.resolved"} : Texts{}));
  CHECK(desk.events(alert.id).back() == "resolved");
}

TEST_CASE("unsilencing ends the silences of just that stream") {
  Desk desk;
  const auto alert = desk.fire();
  desk.store.save_silence({"wide", "*", 0, desk.now + kMinute, "", ""}, "", {});
  desk.alerts.silence(alert, desk.now + kMinute, {"ann", "cleaning"}, desk.now);
  CHECK(desk.store.silences().size() == 2);
  desk.alerts.unsilence(alert, {"ann", ""}, desk.now);
  REQUIRE(desk.store.silences().size() == 1);
  CHECK(desk.store.silences()[0].id == "wide");
  desk.alerts.unsilence(alert, {"ann", ""}, desk.now);
  CHECK(desk.events(alert.id) == Texts{"pending", "firing", "notified", "silenced", "unsilenced"});
}

TEST_CASE("a full outbox keeps the alert, its request to retrain and the reason") {
  Desk desk{0, {.max_outbox = 0}};
  const auto id = desk.fire().id;
  CHECK(desk.store.load().alerts.size() == 1);
  CHECK(desk.events(id) == Texts{"pending", "firing", "undelivered"});
  CHECK(desk.store.retrains().size() == 1);
}

TEST_CASE("alerts on one reference share a request, and one that is over is not joined") {
  Desk desk;
  const auto first = desk.fire("line-1").id;
  const auto second = desk.fire("line-2").id;
  auto all = desk.store.retrains();
  REQUIRE(all.size() == 1);
  CHECK(all[0].alerts == Texts{first, second});
  (void)desk.retrain.change(all[0].id, {.status = drift::RetrainStatus::rejected}, desk.now);
  const auto third = desk.fire("line-3").id;
  all = desk.store.retrains();
  REQUIRE(all.size() == 2);
  CHECK(test::code_of([&] { return desk.retrain.change("none", {}, 1); }) == Errc::not_found);
  const auto closed = all[0].alerts == Texts{third} ? all[1] : all[0];
  CHECK(test::code_of([&] { return desk.retrain.change(closed.id, {.status = drift::RetrainStatus::accepted}, 1); }) ==
        Errc::conflict);
}

TEST_CASE("a retrain request is raised once per alert, and not at all where that is off") {
  Desk desk;
  const auto alert = desk.fire();
  int empty = 0;
  desk.retrain.raise(alert, desk.now, [&](const drift::News& news) { empty += news.retrain ? 0 : 1; });
  CHECK(empty == 1);
  CHECK(desk.store.retrains().size() == 1);
  Desk off{0, {}, "off"};
  (void)off.fire();
  CHECK(off.store.retrains().empty());
  CHECK(off.sent() == Texts{"alert.firing"});
}
