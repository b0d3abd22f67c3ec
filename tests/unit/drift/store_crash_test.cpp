// What the stores survive: kill -9 at any moment, and files that were damaged while nobody looked.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <random>

#include "core/error.hpp"
#include "core/file.hpp"
#include "drift/review_store.hpp"
#include "drift/store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/stored.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::drift;
namespace fs = std::filesystem;

namespace {

Alert some_alert(int number) {
  Alert alert;
  alert.id = "alert-" + std::to_string(number);
  alert.stream = "line-1";
  alert.reference = "default@4";
  alert.rule = "ood-rate";
  alert.state = number % 3 == 0 ? AlertState::resolved : AlertState::firing;
  alert.fired = {number, 10};
  for (std::uint64_t image = 1; image <= 50; ++image) alert.curve.push_back({{0, image}, 0.5F, 0.1F});
  return alert;
}

ReviewItem some_item(int number) {
  ReviewItem item;
  item.id = "item-" + std::to_string(number);
  item.stream = "line-1";
  item.model = "net";
  return item;
}

const std::vector<float> kVector(64, 0.5F);
const std::vector<std::byte> kJpeg(3000, std::byte{7});

// Runs `work` in a process of its own, which tells each number that is durable, and kills it once it has told `enough`
// and a random moment later. Returns the last number told.
int killed_at_random(const std::function<void(const std::function<void(int)>& tell)>& work, int enough,
                     std::mt19937::result_type steps) {
  int report[2];
  REQUIRE(::pipe(report) == 0);
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    work([&](int number) {
      if (::write(report[1], &number, sizeof number) != sizeof number) ::_exit(1);
    });
    ::_exit(1);
  }
  ::close(report[1]);
  int told = -1;
  for (int count = 0; count < enough && ::read(report[0], &told, sizeof told) == sizeof told; ++count) continue;
  for (volatile auto step = steps; step > 0;) step = step - 1;  // into the middle of a transaction, as often as not
  ::kill(child, SIGKILL);
  while (::read(report[0], &told, sizeof told) == sizeof told) continue;
  ::close(report[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  return told;
}

// Cut short, or with some bytes changed.
void damage(const fs::path& file, std::mt19937& random) {
  auto bytes = read_file(file);
  const auto at = [&] { return random() % bytes.size(); };
  if (random() % 3 == 0) {
    bytes.resize(at());
  } else {
    for (auto count = 1 + random() % 64; count > 0; --count)
      bytes[at()] ^= static_cast<std::uint8_t>(1 + random() % 255);
  }
  write_file_atomically(file, std::as_bytes(std::span{bytes}));
}

// Whatever the bytes are: it opens and reads, or says that it cannot.
template <class Use>
bool opens(Use&& use) {
  try {
    use();
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

TEST_CASE("a review queue that is killed at any moment keeps every item that add() returned for, whole") {
  const auto seed = GENERATE(range(1U, 5U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  const test::TempDir dir;
  int last = -1;
  for (int round = 0; round < 3; ++round) {
    const auto work = [&](const auto& tell) {
      ReviewStore store{dir / "review.db"};
      for (int number = last + 1;; ++number) {
        store.add(some_item(number), kVector, kJpeg);
        if (number % 4 == 3) store.save_samples(std::vector<SampleState>{{"line-1", "default@4", number, 50, 400, 0}});
        tell(number);
      }
    };
    const auto told = killed_at_random(work, 5 + static_cast<int>(random() % 20), random() % 1'000'000);
    const ReviewStore store{dir / "review.db"};
    const auto items = store.items({.limit = 100'000});
    REQUIRE(static_cast<int>(items.size()) >= told + 1);
    for (const auto& item : items) {
      CHECK(store.vector(item.id).size() == kVector.size());
      CHECK(store.image(item.id).size() == item.image_bytes);
    }
    last = static_cast<int>(items.size()) - 1;
  }
}

TEST_CASE(
    "an alert store that is killed at any moment keeps alerts with their notices and their evidence, all or nothing") {
  const auto seed = GENERATE(range(1U, 5U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  const test::TempDir dir;
  int last = -1;
  for (int round = 0; round < 3; ++round) {
    const auto work = [&](const auto& tell) {
      Store store{dir / "s.db"};
      for (int number = last + 1;; ++number) {
        const auto alert = some_alert(number);
        store.save_alert(alert, {.notices = {test::notice(alert.id)}});
        if (number % 10 == 0) store.save_streams(std::vector{test::some_stream("line-1")});
        const Picture picture{0, "r", 96, 96, kJpeg};
        store.save_evidence(alert.id, {.images = static_cast<std::size_t>(number)}, {&picture, 1});
        tell(number);
      }
    };
    const auto told = killed_at_random(work, 5 + static_cast<int>(random() % 20), random() % 1'000'000);
    const Store store{dir / "s.db"};
    const auto alerts = store.load().alerts;
    REQUIRE(static_cast<int>(alerts.size()) >= told + 1);
    CHECK(test::notices_in(store, DeliveryState::pending) == alerts.size());
    CHECK(store.load().streams.size() == 1);
    for (const auto& alert : alerts) {
      const auto breakdown = store.breakdown(alert.id);
      CHECK(store.pictures(alert.id).size() == (breakdown ? 1 : 0));
      if (breakdown) CHECK(store.picture(alert.id, 0) == kJpeg);
    }
    CHECK(store.breakdown("alert-" + std::to_string(told))->images == static_cast<std::size_t>(told));
    last = static_cast<int>(alerts.size()) - 1;
  }
}

TEST_CASE("damaged database files are refused or read as far as they can be, and never crash the program") {
  const auto seed = GENERATE(range(1U, 41U));
  CAPTURE(seed);
  std::mt19937 random{seed};
  const test::TempDir dir;
  {
    Store store{dir / "s.db"};
    ReviewStore review{dir / "review.db"};
    for (int number = 0; number < 12; ++number) {
      store.save_alert(some_alert(number));
      store.save_evidence(some_alert(number).id, {.images = 3}, std::vector<Picture>{{0, "r", 96, 96, kJpeg}});
      review.add(some_item(number), kVector, kJpeg);
    }
  }
  damage(dir / "s.db", random);
  damage(dir / "review.db", random);
  (void)opens([&] {
    Store store{dir / "s.db"};
    const auto all = store.load();
    for (const auto& alert : all.alerts) {
      (void)opens([&] { (void)store.breakdown(alert.id); });
      (void)store.pictures(alert.id);
      (void)store.picture(alert.id, 0);
    }
    store.save_alert(some_alert(99));
  });
  (void)opens([&] {
    ReviewStore review{dir / "review.db"};
    for (const auto& item : review.items({.limit = 1000}))
      (void)opens([&] { (void)review.vector(item.id), (void)review.image(item.id); });
    review.add(some_item(99), kVector, kJpeg);
  });
  SUCCEED("no signal, no foreign exception");
}

TEST_CASE("a damaged page is noticed when the file is opened, not when it is needed") {
  const test::TempDir dir;
  {
    Store store{dir / "s.db"};
    for (int number = 0; number < 200; ++number) store.save_alert(some_alert(number));
  }
  auto bytes = read_file(dir / "s.db");
  REQUIRE(bytes.size() > 100'000);
  std::fill(bytes.begin() + 40'960, bytes.begin() + 45'056, std::uint8_t{0xAA});
  write_file_atomically(dir / "s.db", std::as_bytes(std::span{bytes}));
  bool refused = false;
  try {
    const Store store{dir / "s.db"};
  } catch (const Error& error) {
    refused = error.code() == Errc::corrupt;
  }
  CHECK(refused);
}
