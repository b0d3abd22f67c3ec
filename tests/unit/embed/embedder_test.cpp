// Needs DRIFTD_TEST_BUNDLE: a bundle of tests/support/tiny_model.py with TorchScript and AOTInductor files for batches
// 1 and 4.
#include "embed/embedder.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>
#include <set>
#include <thread>

#include "core/file.hpp"
#include "core/huge_pages.hpp"
#include "embed/compiled_programs.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/errors.hpp"
#include "tests/support/temp_dir.hpp"

using namespace driftd;
using namespace driftd::embed;
namespace fs = std::filesystem;

namespace {

Bundle tiny_bundle() {
  const char* directory = std::getenv("DRIFTD_TEST_BUNDLE");
  if (directory == nullptr) throw std::runtime_error{"set DRIFTD_TEST_BUNDLE, or run the tests through ctest"};
  return read_bundle(directory);
}

std::vector<Image> random_images(const Bundle& bundle, std::size_t n) {
  std::mt19937 random{5};
  std::vector<Image> images(n, {bundle.preprocess.width, bundle.preprocess.height, {}});
  for (auto& image : images) {
    image.rgb.resize(bundle.preprocess.bytes());
    std::ranges::generate(image.rgb, [&] { return static_cast<std::uint8_t>(random()); });
  }
  return images;
}

// The tiny model divides by the contrast.
Image without_contrast(const Bundle& bundle) {
  return {bundle.preprocess.width, bundle.preprocess.height, std::vector<std::uint8_t>(bundle.preprocess.bytes(), 200)};
}

float largest_difference(const Matrix& a, const Matrix& b) {
  float worst = a.data.size() == b.data.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.data.size(), b.data.size()); ++i)
    worst = std::max(worst, std::abs(a.data[i] - b.data[i]));
  return worst;
}

const auto kFormats = {EmbedderOptions::Format::torchscript, EmbedderOptions::Format::aotinductor};

}  // namespace

TEST_CASE("both formats reproduce the golden embeddings") {
  const Bundle bundle = tiny_bundle();
  for (const auto format : kFormats) {
    const auto embedder = load_embedder(bundle, {.format = format, .threads = 1});
    CHECK(largest_difference(embedder->embed(bundle.golden_input), bundle.golden_output) <= bundle.tolerance);
  }
}

TEST_CASE("an image's embedding does not depend on the images that share its batch") {
  const Bundle bundle = tiny_bundle();
  const auto format = GENERATE(from_range(kFormats));
  const auto embedder = load_embedder(bundle, {.format = format, .threads = 1});
  const auto images = random_images(bundle, 11);
  const Matrix together = embedder->embed(images);
  REQUIRE(together.rows == 11);
  REQUIRE(together.cols == bundle.dimension);
  for (std::size_t n = 1; n <= 11; ++n) {
    const Matrix some = embedder->embed(std::span{images}.first(n));
    for (std::size_t i = 0; i < some.data.size(); ++i) REQUIRE(some.data[i] == Approx(together.data[i]).margin(1e-5));
  }
}

TEST_CASE("no images give no embeddings") {
  const Bundle bundle = tiny_bundle();
  CHECK(load_embedder(bundle)->embed({}).rows == 0);
}

TEST_CASE("the batch is preferred that took least time for each image when the model was exported") {
  const auto format = EmbedderOptions::Format::aotinductor;  // of batches 1 and 4
  Bundle bundle = tiny_bundle();
  const auto [four, preferred] = GENERATE(table<double, std::size_t>({{3.9, 4}, {4.2, 1}}));
  for (auto& weights : bundle.weights) {
    CHECK((weights.milliseconds > 0) == (weights.format == Bundle::WeightsFormat::aotinductor));
    weights.milliseconds = weights.batch == 4 ? four : 1;
  }
  const auto embedder = load_embedder(bundle, {.format = format, .threads = 3});
  CHECK(embedder->preferred_batch() == preferred);
  CHECK(embedder->threads() == 3);
}

TEST_CASE("threads that share out the images give the embeddings of one thread") {
  const Bundle bundle = tiny_bundle();
  const auto format = GENERATE(from_range(kFormats));
  const auto alone = load_embedder(bundle, {.format = format, .threads = 1});
  const auto shared = load_embedder(bundle, {.format = format, .threads = 3});
  const auto images = random_images(bundle, 17);
  for (const std::size_t n : {1, 2, 3, 4, 11, 17}) {
    const auto some = std::span{images}.first(n);
    CAPTURE(n);
    CHECK(largest_difference(shared->embed(some), alone->embed(some)) <= 1e-5F);
    CHECK(largest_difference(shared->embed_alone(some), alone->embed(some)) <= 1e-5F);
  }
}

TEST_CASE("where a team is slower than one thread, each image is one thread's, with the same embeddings") {
  Bundle bundle = tiny_bundle();
  for (auto& weights : bundle.weights) weights.milliseconds_together = 2 * weights.milliseconds;
  const auto images = random_images(bundle, 8);
  const auto alone = load_embedder(bundle, {.threads = 1});
  const auto several = load_embedder(bundle, {.threads = 3});
  for (const std::size_t count : {1U, 2U, 5U, 8U}) {
    const auto some = std::span{images}.first(count);
    CHECK(largest_difference(several->embed(some), alone->embed(some)) <= 1e-6F);
  }
}

TEST_CASE("a program for lone images is run by as many threads as it is for, with the same embeddings") {
  Bundle bundle = tiny_bundle();
  for (auto& weights : bundle.weights) weights.milliseconds_together = 2 * weights.milliseconds;
  const auto expected = load_embedder(bundle, {.threads = 1});
  const auto images = random_images(bundle, 5);
  const auto program = [&](int batch) {
    return std::ranges::find(bundle.weights, batch, &Bundle::Weights::batch)->path;
  };
  bundle.lone = {program(1), 3};
  const auto embedder = load_embedder(bundle, {.threads = 3});
  for (std::size_t count = 1; count <= images.size(); ++count) {
    const auto some = std::span{images}.first(count);
    CHECK(largest_difference(embedder->embed(some), expected->embed(some)) <= 1e-6F);
  }
  bundle.lone->path = program(4);  // takes no lone image
  using Format = EmbedderOptions::Format;
  CHECK(test::code_of([&] { return load_embedder(bundle, {.format = Format::aotinductor, .threads = 3}); }) ==
        Errc::internal);
  CHECK_NOTHROW(load_embedder(bundle, {.format = Format::aotinductor, .threads = 2}));
  CHECK_NOTHROW(load_embedder(bundle, {.format = Format::torchscript, .threads = 3}));
}

TEST_CASE("many threads may embed at once, each alone or with all threads") {
  const Bundle bundle = tiny_bundle();
  const auto embedder = load_embedder(bundle, {.format = GENERATE(from_range(kFormats)), .threads = 2});
  const auto images = random_images(bundle, 9);
  const Matrix expected = embedder->embed(images);
  std::vector<std::future<bool>> threads;
  for (int t = 0; t < 4; ++t) {
    threads.push_back(std::async(std::launch::async, [&, t] {
      bool right = true;
      for (int i = 0; i < 20; ++i) {
        const Matrix found = (t + i) % 3 == 0 ? embedder->embed(images) : embedder->embed_alone(images);
        right = right && largest_difference(found, expected) <= 1e-5F;
      }
      return right;
    }));
  }
  for (auto& thread : threads) CHECK(thread.get());
}

TEST_CASE("a failure in one thread's share reaches the caller, and the embedder works on") {
  const Bundle bundle = tiny_bundle();
  const auto embedder = load_embedder(bundle, {.threads = 2});
  auto images = random_images(bundle, 6);
  images[5] = without_contrast(bundle);
  CHECK(test::code_of([&] { return embedder->embed(images); }) == Errc::internal);
  CHECK(embedder->embed(std::span{images}.first(5)).rows == 5);
}

TEST_CASE("an embedder works on another thread than the one that loaded it") {
  const Bundle bundle = tiny_bundle();
  const auto embedder = load_embedder(bundle, {.threads = 2});
  Matrix result;
  std::thread{[&] { result = embedder->embed(bundle.golden_input); }}.join();
  CHECK(largest_difference(result, bundle.golden_output) <= bundle.tolerance);
}

TEST_CASE("images of a wrong size are an invalid argument") {
  const Bundle bundle = tiny_bundle();
  const auto embedder = load_embedder(bundle);
  CHECK(test::code_of([&] { return embedder->embed(std::vector{Image{1, 2, std::vector<std::uint8_t>(6)}}); }) ==
        Errc::invalid_argument);
}

TEST_CASE("a value that is not finite never comes out") {
  const Bundle bundle = tiny_bundle();
  const std::vector images{without_contrast(bundle)};
  for (const auto format : kFormats) {
    const auto embedder = load_embedder(bundle, {.format = format});
    CHECK(test::code_of([&] { return embedder->embed(images); }) == Errc::internal);
  }
}

TEST_CASE("weights that do not reproduce the golden embeddings are corrupt") {
  Bundle bundle = tiny_bundle();
  bundle.golden_output.data[3] += 0.1F;
  for (const auto format : kFormats)
    CHECK(test::code_of([&] { return load_embedder(bundle, {.format = format}); }) == Errc::corrupt);
}

TEST_CASE("a format that the bundle lacks is not found") {
  Bundle bundle = tiny_bundle();
  std::erase_if(bundle.weights,
                [](const auto& weights) { return weights.format == Bundle::WeightsFormat::torchscript; });
  CHECK(test::code_of([&] { return load_embedder(bundle, {.format = EmbedderOptions::Format::torchscript}); }) ==
        Errc::not_found);
  CHECK_NOTHROW(load_embedder(bundle));
}

TEST_CASE("a file that is no program is refused, and TorchScript stands in when any format will do") {
  const test::TempDir dir;
  write_file_atomically(dir / "broken", "PK\x03\x04 not a program");
  Bundle bundle = tiny_bundle();
  for (auto& weights : bundle.weights) {
    if (weights.format == Bundle::WeightsFormat::aotinductor) weights.path = dir / "broken";
  }
  CHECK(test::code_of([&] { return load_embedder(bundle, {.format = EmbedderOptions::Format::aotinductor}); }) ==
        Errc::internal);
  const auto stand_in = load_embedder(bundle);
  CHECK(largest_difference(stand_in->embed(bundle.golden_input), bundle.golden_output) <= bundle.tolerance);
  CHECK(stand_in->fallback().find("broken") != std::string::npos);
  CHECK(load_embedder(tiny_bundle())->fallback().empty());
  for (auto& weights : bundle.weights) weights.path = dir / "broken";
  CHECK(test::code_of([&] { return load_embedder(bundle); }) == Errc::internal);
}

TEST_CASE("compiled programs share their weights, which begin where a line of the cache does") {
  CompiledPrograms programs{1};
  std::vector<Program> loaded;
  for (const auto& weights : tiny_bundle().weights) {
    if (weights.format != Bundle::WeightsFormat::aotinductor) continue;
    loaded.push_back(programs.load(weights.path));
  }
  CHECK(loaded.size() == 2);
  const auto places = programs.weights();
  REQUIRE(places.size() == 1);
  CHECK(places.front().size() > 0);
  CHECK(reinterpret_cast<std::uintptr_t>(places.front().data()) % kCacheLine == 0);
}

TEST_CASE("loading leaves nothing in the temporary directory") {
  const test::TempDir temporary;
  const char* before = std::getenv("TMPDIR");
  const std::string saved = before != nullptr ? before : "";
  ::setenv("TMPDIR", temporary.path().c_str(), 1);
  {
    const auto embedder = load_embedder(tiny_bundle(), {.format = EmbedderOptions::Format::aotinductor});
  }
  before != nullptr ? ::setenv("TMPDIR", saved.c_str(), 1) : ::unsetenv("TMPDIR");
  CHECK(fs::is_empty(temporary.path()));
}

TEST_CASE("one OpenMP runtime serves the process") {
  // Two would start two pools of threads, which then fight for the processors.
  const auto embedder = load_embedder(tiny_bundle());
  std::set<std::string> runtimes;
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    const auto path = line.find('/');
    if (path == std::string::npos) continue;
    const std::string file = fs::path{line.substr(path)}.filename().string();
    for (const char* name : {"libgomp", "libomp", "libiomp"}) {
      if (file.starts_with(name)) runtimes.insert(line.substr(path));
    }
  }
  CAPTURE(runtimes);
  CHECK(runtimes.size() == 1);
}
