#include "api/review_service.hpp"

#include <cstdint>
#include <thread>
#include <tuple>

#include "api/log.hpp"
#include "embed/decode.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

struct Desk {
  explicit Desk(ReviewConfig config) : service{config, true, dir / "review.db", "net", 1 << 20, metrics} {
    set_log_sink([](std::string_view) {});
  }
  ~Desk() { set_log_sink({}); }

  void see(float value, bool ood, const std::string& stream = "s", std::string body = {}) {
    const auto pick = service.pick(stream, "default@1", ood, 1);
    if (!pick) return;
    ++offered;
    ReviewCandidate candidate{.vector = {value, 0}};
    candidate.item.stream = stream;
    candidate.item.reference = "default@1";
    candidate.item.model = "net";
    candidate.item.ood = ood;
    if (!body.empty()) {
      candidate.request = std::make_shared<const Request>(
          Request{.headers = {{"content-type", "image/jpeg"}}, .body = std::move(body)});
    }
    service.offer(pick, std::move(candidate));
  }
  // How many images came to this end; 0 for none.
  double count(const std::string& result) const {
    const auto text = metrics.expose();
    const auto name = "driftd_review_images_total{result=\"" + result + "\"} ";
    return std::stod(text.substr(text.find(name) + name.size()));
  }
  void wait() const {
    while (count("queued") + count("familiar") + count("dropped") + count("failed") < offered)
      std::this_thread::yield();
  }
  std::vector<drift::ReviewItem> items(drift::ReviewQuery query = {}) const {
    query.limit = 1000;
    return service.store().items(query);
  }

  test::TempDir dir;
  Metrics metrics{"test"};
  ReviewService service;
  double offered = 0;
};

const auto kNoPut = [](const drift::ReviewItem&, const std::vector<float>&) { FAIL("nothing is accepted"); };

}  // namespace

TEST_CASE("the review queue stays within its places, and familiar images are not queued") {
  Desk desk{{.max_items = 4, .random_share = 0, .stream_share = 1}};
  for (int i = 0; i < 40; ++i) {
    desk.see(static_cast<float>(i % 8), true);
    desk.wait();
  }
  CHECK(desk.items().size() == 4);
  CHECK(desk.count("familiar") > 0);
  CHECK(desk.count("queued") + desk.count("familiar") == 40);
}

TEST_CASE("a random sample keeps its size when streams come, and its estimate counts every image") {
  Desk desk{{.max_items = 10, .random_share = 1}};
  for (int i = 0; i < 100; ++i) desk.see(static_cast<float>(i), i % 2 == 0, "a");
  desk.wait();
  CHECK(desk.items({.stream = "a"}).size() == 10);
  for (int i = 0; i < 100; ++i) desk.see(static_cast<float>(i), false, "b");
  desk.wait();
  CHECK(desk.items({.source = drift::ReviewSource::random, .stream = "a"}).size() == 5);
  CHECK(desk.items({.source = drift::ReviewSource::random, .stream = "b"}).size() == 5);
  const auto estimates = desk.service.estimates();
  REQUIRE(estimates.size() == 2);
  CHECK((estimates[0].sample.seen == 100 && estimates[0].size == 5 && estimates[0].waiting == 5));
}

TEST_CASE("an image that the hand-over cannot take is dropped and counted") {
  Desk desk{{.max_items = 10, .random_share = 1}};
  desk.see(1, true, "s", std::string(33 << 20, 'x'));
  CHECK(desk.count("dropped") == 1);
  CHECK(desk.service.estimates()[0].sample.missed == 1);
}

TEST_CASE("an image that cannot be kept is counted, and the next one is kept") {
  Desk desk{{.max_items = 10, .random_share = 0}};
  desk.see(1, true, "s", "no image");
  desk.see(2, true);
  desk.wait();
  CHECK(desk.count("failed") == 1);
  CHECK(desk.items().size() == 1);
}

TEST_CASE("a small JPEG that is nothing but a picture is kept as it came, and others as their pixels") {
  Desk desk{{.max_items = 10, .random_share = 0, .image_side = 64}};
  const auto kept = [&](float value, const test::FileBytes& file) {
    desk.see(value, true, "s", {file.begin(), file.end()});
    desk.wait();
    const auto item = desk.items().front();
    const auto image = desk.service.store().image(item.id);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(image.data());
    return std::tuple{test::FileBytes{bytes, bytes + image.size()}, item.width, item.height};
  };
  const auto small = test::encode_jpeg(test::picture(64, 48), test::JpegKind::baseline, 60);
  CHECK(kept(1, small) == std::tuple{small, 64, 48});

  const auto [upright, width, height] = kept(2, test::jpeg_with_exif(small, test::exif_block(6)));
  CHECK((embed::bare_jpeg_size(upright) && width == 48 && height == 64));
  const auto fine = test::encode_jpeg(test::picture(64, 48), test::JpegKind::baseline, 100);
  CHECK(2 * fine.size() > 64 * 48);
  CHECK(std::get<0>(kept(3, fine)).size() < fine.size());
  CHECK(std::get<1>(kept(4, test::encode_jpeg(test::picture(128, 32), test::JpegKind::baseline, 60))) == 64);
  CHECK(embed::bare_jpeg_size(std::get<0>(kept(5, test::encode_png(test::picture(64, 48))))));
}

TEST_CASE("what a sample has counted is kept with each of its members") {
  Desk desk{{.max_items = 10, .random_share = 1}};
  for (int i = 0; i < 5; ++i) desk.see(1, false);
  desk.wait();
  const auto samples = desk.service.store().samples();
  REQUIRE(samples.size() == 1);
  CHECK((samples[0].stream == "s" && samples[0].seen == 5));
}

TEST_CASE("what cannot be put into the reference is not marked as accepted") {
  Desk desk{{.max_items = 10, .random_share = 0}};
  desk.see(1, true);
  desk.wait();
  const auto id = desk.items().front().id;
  const auto full = [](const auto&, const auto&) { throw Error{Errc::no_space, "the disk is full"}; };
  CHECK(test::code_of([&] { return desk.service.answer(id, {.label = "bag", .accept = true}, 5, full); }) ==
        Errc::no_space);
  CHECK(desk.items().front().state == drift::ReviewState::waiting);
  int put = 0;
  const auto count = [&](const auto& item, const auto& vector) {
    put += item.label == "bag" && vector.size() == 2 ? 1 : 0;
  };
  (void)desk.service.answer(id, {.label = "bag", .accept = true}, 5, count);
  (void)desk.service.answer(id, {.label = "bag", .accept = true}, 6, count);  // again: nothing is done twice
  CHECK(put == 1);
  CHECK(test::code_of([&] { return desk.service.answer(id, {.label = "boot"}, 7, kNoPut); }) == Errc::conflict);
  CHECK(test::code_of([&] { return desk.service.answer("none", {.label = "boot"}, 7, kNoPut); }) == Errc::not_found);
}

TEST_CASE("a queue that is off takes nothing") {
  Desk desk{{.max_items = 0}};
  desk.see(1, true);
  CHECK(desk.offered == 0);
}

TEST_CASE("what waits goes on after a restart, but not for another model") {
  test::TempDir dir;
  Metrics metrics{"test"};
  const ReviewConfig config{.max_items = 10, .random_share = 0};
  {
    drift::ReviewStore store{dir / "review.db"};
    const std::vector<float> vector{1, 0};
    for (const auto* id : {"a", "b"}) store.add({.id = id, .stream = "s", .model = "net"}, vector, {});
    auto answered = *store.item("a");
    answered.state = drift::ReviewState::labelled;
    store.update(answered);
  }
  {
    const ReviewService same{config, true, dir / "review.db", "net", 1 << 20, metrics};
    CHECK(same.store().items({}).size() == 2);
  }
  const ReviewService other{config, true, dir / "review.db", "another net", 1 << 20, metrics};
  REQUIRE(other.store().items({}).size() == 1);
  CHECK(other.store().items({}).front().id == "a");  // what a person said stays
}
