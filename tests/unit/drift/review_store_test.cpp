#include "drift/review_store.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::drift;

namespace {
std::atomic<int> syncs{0};
}

// SQLite's calls come here: an answer must wait for the disk.
extern "C" int fdatasync(int file) {
  ++syncs;
  static const auto real = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "fdatasync"));
  return real(file);
}

namespace {

ReviewItem some_item(const std::string& id, ReviewSource source = ReviewSource::diverse) {
  return {.id = id,
          .source = source,
          .stream = "line-1",
          .round = source == ReviewSource::random ? 3 : 0,
          .reference = "default@4",
          .model = "net@sha256:00",
          .request_id = "r-" + id,
          .score = 4.5,
          .p_value = 0.01,
          .ood = true,
          .distance = 0.8,
          .novelty = 0.5,
          .predicted = "bag",
          .neighbours = {{"17", "bag", "train/17.png", 0.7}},
          .created_ms = 1000,
          .width = 28,
          .height = 20};
}

const std::vector<float> kVector{0.5F, 0.25F};
std::vector<std::byte> picture(std::size_t size) {
  return std::vector<std::byte>(size, std::byte{7});
}

void answer(ReviewStore& store, const std::string& id) {
  auto item = *store.item(id);
  item.state = ReviewState::labelled;
  item.label = "boot";
  item.truly_ood = true;
  item.answered_ms = 2000;
  item.who = "eve";
  item.note = "sure";
  store.update(item);
}

}  // namespace

TEST_CASE("the review queue on disk gives back what was put in, over a restart") {
  const test::TempDir dir;
  {
    ReviewStore store{dir / "review.db"};
    const auto stored = store.add(some_item("a"), kVector, picture(9));
    CHECK((stored.order == 1 && stored.image_bytes == 9));
    answer(store, "a");
    store.save_samples(std::vector<SampleState>{{"line-1", "default@4", 3, 50, 400, 2}});
  }
  const ReviewStore store{dir / "review.db"};
  const auto item = store.item("a");
  REQUIRE(item);
  CHECK((item->state == ReviewState::labelled && item->label == "boot" && item->truly_ood == true &&
         item->who == "eve" && item->note == "sure"));
  CHECK((item->request_id == "r-a" && item->score == 4.5 && item->p_value == 0.01 && item->ood &&
         item->distance == 0.8 && item->novelty == 0.5));
  CHECK((item->predicted == "bag" && item->model == "net@sha256:00" && item->width == 28 && item->height == 20 &&
         item->image_bytes == 9));
  REQUIRE(item->neighbours.size() == 1);
  CHECK((item->neighbours[0].uri == "train/17.png" && item->neighbours[0].distance == 0.7));
  CHECK(store.vector("a") == kVector);
  CHECK(store.image("a") == picture(9));
  const auto samples = store.samples();
  REQUIRE(samples.size() == 1);
  CHECK((samples[0].seen == 400 && samples[0].missed == 2 && samples[0].round == 3 && samples[0].since_ms == 50));
}

TEST_CASE("the review queue is read in pages and by state, source and stream") {
  const test::TempDir dir;
  ReviewStore store{dir / "review.db"};
  for (const auto* id : {"a", "b", "c"}) store.add(some_item(id), kVector, {});
  store.add(some_item("r", ReviewSource::random), kVector, {});
  answer(store, "b");
  const auto ids = [&](const ReviewQuery& query) {
    std::string all;
    for (const auto& item : store.items(query)) all += item.id;
    return all;
  };
  CHECK(ids({}) == "rcba");
  CHECK(ids({.limit = 2}) == "rc");
  CHECK(ids({.before = 3, .limit = 2}) == "ba");
  CHECK(ids({.state = ReviewState::waiting}) == "rca");
  CHECK(ids({.source = ReviewSource::random}) == "r");
  CHECK(ids({.stream = "line-2"}).empty());
  CHECK((store.counts().waiting == 3 && store.counts().answered == 1));
}

TEST_CASE("an item comes with what its sample has counted, and leaves other samples as they are") {
  const test::TempDir dir;
  ReviewStore store{dir / "review.db"};
  store.save_samples(
      std::vector<SampleState>{{"line-1", "default@4", 3, 50, 400, 2}, {"line-2", "default@4", 1, 60, 7, 0}});
  store.add(some_item("r", ReviewSource::random), kVector, {}, {}, SampleState{"line-1", "default@4", 3, 50, 420, 2});
  auto old = some_item("q", ReviewSource::random);
  old.round = 2;
  store.add(old, kVector, {});
  store.add(some_item("d"), kVector, {});
  answer(store, "q");
  const auto samples = store.samples();
  REQUIRE(samples.size() == 2);
  CHECK((samples[0].seen == 420 && samples[0].missed == 2 && samples[1].seen == 7));

  const auto members = store.members("line-1");
  REQUIRE(members.size() == 2);
  CHECK((members[0].id == "q" && members[0].round == 2 && members[0].state == ReviewState::labelled));
  CHECK((members[1].id == "r" && members[1].round == 3 && members[1].state == ReviewState::waiting));
  CHECK(store.members("line-2").empty());
}

TEST_CASE("an image takes the place of others in one step") {
  const test::TempDir dir;
  ReviewStore store{dir / "review.db"};
  store.add(some_item("a"), kVector, picture(5));
  store.add(some_item("b"), kVector, picture(5), std::vector<std::string>{"a"});
  CHECK_FALSE(store.item("a"));
  CHECK(store.image("a").empty());
  CHECK(test::code_of([&] { return store.vector("a"); }) == Errc::not_found);
  CHECK(test::code_of([&] {
          store.update(some_item("a"));
          return 0;
        }) == Errc::not_found);
  CHECK(store.counts().image_bytes == 5);
}

TEST_CASE("pictures of answered images make room first, and what finds no room has none") {
  const test::TempDir dir;
  ReviewStore store{dir / "review.db", {.max_bytes = 10}};
  store.add(some_item("a"), kVector, picture(4));
  store.add(some_item("b"), kVector, picture(4));
  answer(store, "b");
  CHECK(store.add(some_item("c"), kVector, picture(6)).image_bytes == 6);
  CHECK((store.image("b").empty() && store.item("b")->image_bytes == 0 && store.image("a").size() == 4));
  const auto without = store.add(some_item("d"), kVector, picture(1));
  CHECK((without.image_bytes == 0 && without.width == 0 && store.image("d").empty()));
}

TEST_CASE("the oldest answers are forgotten, but not those of a random sample that lasts") {
  const test::TempDir dir;
  ReviewStore store{dir / "review.db", {.max_answered = 2}};
  store.save_samples(std::vector<SampleState>{{"line-1", "default@4", 3, 50, 400, 0}});
  store.add(some_item("r", ReviewSource::random), kVector, {});
  answer(store, "r");
  for (const auto* id : {"a", "b", "c"}) {
    store.add(some_item(id), kVector, {});
    answer(store, id);
  }
  CHECK((store.item("r") && !store.item("a") && !store.item("b") && store.item("c")));
}

TEST_CASE("a review queue of another program, of a newer one or in use is refused") {
  const test::TempDir dir;
  std::ofstream{dir / "text.db"} << std::string(5000, 'x');
  CHECK(test::code_of([&] { return ReviewStore{dir / "text.db"}; }) == Errc::corrupt);
  const ReviewStore first{dir / "review.db"};
  CHECK(test::code_of([&] { return ReviewStore{dir / "review.db"}; }) == Errc::conflict);
}

TEST_CASE("an estimate counts the answers about one sample only") {
  auto right = some_item("a", ReviewSource::random);
  right.state = ReviewState::labelled;
  right.label = "bag";
  right.truly_ood = false;
  auto wrong = right;
  wrong.state = ReviewState::accepted;
  wrong.label = "boot";
  wrong.truly_ood = true;
  wrong.ood = false;
  auto dismissed = right;
  dismissed.state = ReviewState::dismissed;
  auto of_another_round = wrong;
  of_another_round.round = 2;
  const auto result = estimate({.stream = "line-1", .round = 3, .seen = 100},
                               std::vector<ReviewItem>{right, wrong, dismissed, of_another_round,
                                                       some_item("w", ReviewSource::random), some_item("d")});
  CHECK((result.size == 4 && result.waiting == 1 && result.judged == 2));
  CHECK((result.flagged == 1 && result.ood == 1 && result.wrong == 1));
}

TEST_CASE("an answer waits for the disk, and what is picked while images are scored does not") {
  const test::TempDir dir;
  ReviewStore store{dir / "review.db"};
  syncs = 0;
  for (const std::string id : {"a", "b", "c"}) store.add(some_item(id), kVector, picture(9));
  store.save_samples(std::vector<SampleState>{{"line-1", "default@4", 3, 50, 400, 2}});
  CHECK(syncs == 0);
  answer(store, "a");
  CHECK(syncs > 0);
  const int answered = syncs;
  store.add(some_item("d"), kVector, picture(9));
  CHECK(syncs == answered);
}
