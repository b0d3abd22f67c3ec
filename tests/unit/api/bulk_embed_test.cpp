#include "api/bulk_embed.hpp"

#include <algorithm>
#include <fstream>
#include <mutex>
#include <set>
#include <stdexcept>

#include "core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/images.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::api;

namespace {

// The first byte of each image, which is the grey of its picture; remembers the batches.
class FakeEmbedder final : public embed::Embedder {
 public:
  explicit FakeEmbedder(std::size_t batch) : batch_{batch} {}

  Matrix embed(std::span<const embed::Image> images) override { return embed_alone(images); }
  Matrix embed_alone(std::span<const embed::Image> images) override {
    Matrix result{images.size(), 1};
    for (std::size_t i = 0; i < images.size(); ++i) result.data[i] = images[i].rgb[0];
    const std::lock_guard lock{mutex_};
    if (batches_.size() == fails_at) throw Error{Errc::internal, "the model failed"};
    batches_.insert(result.data);
    return result;
  }
  [[nodiscard]] std::size_t threads() const override { return 2; }
  [[nodiscard]] std::size_t preferred_batch() const override { return batch_; }
  [[nodiscard]] const std::multiset<std::vector<float>>& batches() const { return batches_; }

  std::size_t fails_at = SIZE_MAX;

 private:
  const std::size_t batch_;
  std::mutex mutex_;
  std::multiset<std::vector<float>> batches_;  // guarded by mutex_
};

embed::Bundle tiny_bundle() {
  embed::Bundle bundle;
  bundle.dimension = 1;
  bundle.preprocess.height = bundle.preprocess.width = 2;
  return bundle;
}

// Pictures of grey 0, 1, 2 and so on, of 255.
std::vector<ImageSource> write_pictures(const test::TempDir& folder, std::size_t count) {
  std::vector<ImageSource> sources;
  for (std::size_t i = 0; i < count; ++i) {
    const embed::Image image{2, 2, std::vector<std::uint8_t>(12, static_cast<std::uint8_t>(i))};
    const auto bytes = test::encode_png(image);
    const auto name = std::to_string(i) + ".png";
    std::ofstream{folder / name, std::ios::binary}.write(reinterpret_cast<const char*>(bytes.data()),
                                                         static_cast<std::streamsize>(bytes.size()));
    sources.push_back({folder / name, name, ""});
  }
  return sources;
}

std::vector<Embedded> embed_to_list(std::span<const ImageSource> sources, embed::Embedder& embedder) {
  std::vector<Embedded> results;
  embed_all(sources, tiny_bundle(), embedder, [&](Embedded&& image) { results.push_back(std::move(image)); });
  return results;
}

}  // namespace

TEST_CASE("many images are embedded in the order of their sources") {
  const test::TempDir folder;
  const auto sources = write_pictures(folder, 200);
  const auto batch = GENERATE(as<std::size_t>{}, 1, 8, 24, 64, 1000);
  CAPTURE(batch);
  FakeEmbedder embedder{batch};
  const auto results = embed_to_list(sources, embedder);
  REQUIRE(results.size() == sources.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    REQUIRE(results[i].source == &sources[i]);
    REQUIRE(results[i].status == "ok");
    REQUIRE(results[i].vector == std::vector<float>{static_cast<float>(i)});
  }
}

TEST_CASE("images are embedded in the same batches in a run and in one that begins at a later block") {
  const test::TempDir folder;
  const auto sources = write_pictures(folder, 150);
  FakeEmbedder whole{24};
  (void)embed_to_list(sources, whole);
  FakeEmbedder parts{24};
  (void)embed_to_list(std::span{sources}.first(kEmbedChunk), parts);
  (void)embed_to_list(std::span{sources}.subspan(kEmbedChunk), parts);
  CHECK(whole.batches() == parts.batches());
  CHECK(whole.batches().size() == 7);  // 24 + 24 + 16, twice, and 22
}

TEST_CASE("a file that is no image has its reason and leaves the others as they are") {
  const test::TempDir folder;
  auto sources = write_pictures(folder, 20);
  std::ofstream{sources[3].path} << "no image";
  std::filesystem::remove(sources[19].path);
  FakeEmbedder embedder{8};
  const auto results = embed_to_list(sources, embedder);
  REQUIRE(results.size() == 20);
  CHECK(results[3].status == "unsupported");
  CHECK(results[3].vector.empty());
  CHECK(results[19].status == "unreadable");
  CHECK(std::ranges::count(results, "ok", &Embedded::status) == 18);
}

TEST_CASE("a model that fails ends the run with its error") {
  const test::TempDir folder;
  const auto sources = write_pictures(folder, 100);
  FakeEmbedder embedder{8};
  embedder.fails_at = 5;
  CHECK(test::message_of([&] { return embed_to_list(sources, embedder); }) == "the model failed");
}

TEST_CASE("a run ends when its results cannot be taken") {
  const test::TempDir folder;
  const auto sources = write_pictures(folder, 200);
  FakeEmbedder embedder{8};
  std::size_t taken = 0;
  const auto refuse_tenth = [&](Embedded&&) {
    if (++taken == 10) throw std::runtime_error{"the disk is full"};
  };
  CHECK_THROWS_AS(embed_all(sources, tiny_bundle(), embedder, refuse_tenth), std::runtime_error);
  CHECK(taken == 10);
}
