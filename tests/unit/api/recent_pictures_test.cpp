#include "api/recent_pictures.hpp"

#include "tests/support/catch.hpp"

using namespace driftd::api;

namespace {

RecentPictures::Image image(std::uint64_t number, double p, std::size_t bytes) {
  return {"r" + std::to_string(number), number, p, 1 / p,
          std::make_shared<const Request>(Request{.body = std::string(bytes, 'x')})};
}

}  // namespace

TEST_CASE("recent pictures are found by request, until they leave the stream's window") {
  RecentPictures pictures{1 << 20, 10};
  pictures.push("a", image(1, 0.01, 100));
  pictures.push("b", image(2, 0.01, 50));
  REQUIRE(pictures.find("a", "r1") != nullptr);
  CHECK(pictures.find("a", "r1")->body.size() == 100);
  CHECK(pictures.find("a", "r2") == nullptr);
  CHECK(pictures.find("c", "r1") == nullptr);
  pictures.push("a", image(10, 0.01, 100));
  CHECK(pictures.find("a", "r1") != nullptr);
  pictures.push("a", image(11, 0.01, 100));
  CHECK(pictures.find("a", "r1") == nullptr);
  CHECK(pictures.find("b", "r2") != nullptr);
}

TEST_CASE("pictures are bounded in bytes: the stream that has most loses its least strange") {
  RecentPictures pictures{10'000, 1000};
  for (std::uint64_t number = 1; number <= 5; ++number)
    pictures.push("big", image(number, number == 3 ? 0.001 : 0.04, 1500));
  pictures.push("small", image(6, 0.05, 500));
  pictures.push("big", image(7, 0.002, 1500));
  CHECK(pictures.bytes() <= 10'000);
  CHECK(pictures.find("big", "r3") != nullptr);
  CHECK(pictures.find("big", "r7") != nullptr);
  CHECK(pictures.find("small", "r6") != nullptr);
  CHECK(pictures.find("big", "r1") == nullptr);
  for (std::uint64_t number = 8; number <= 500; ++number) pictures.push("big", image(number, 0.03, 1500));
  CHECK(pictures.bytes() <= 10'000);
  CHECK(pictures.find("big", "r3") != nullptr);
  pictures.push("big", image(501, 0.0001, 20'000));  // larger than all room there is
  CHECK(pictures.find("big", "r501") == nullptr);
  CHECK(pictures.find("big", "r3") != nullptr);
}

TEST_CASE("a stream that begins again forgets its pictures, and no room keeps none") {
  RecentPictures pictures{1 << 20, 1000};
  pictures.push("a", image(50, 0.01, 100));
  pictures.push("a", image(1, 0.01, 100));
  CHECK(pictures.find("a", "r50") == nullptr);
  CHECK(pictures.find("a", "r1") != nullptr);
  RecentPictures none{0, 1000};
  CHECK_FALSE(none.wanted());
  none.push("a", image(1, 0.01, 100));
  CHECK(none.bytes() == 0);
}
