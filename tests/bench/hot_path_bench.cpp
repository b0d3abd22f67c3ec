// What a request cannot do without, each alone and in turn: from bytes to tensor, through the model, and the search.
// One JSON object on standard output.
//
// decode_ms: CPU time of one thread for an image. embed_ms: time for an image when so many are embedded in one call.
// search_ms: time for each of so many queries in one call; the queries are the first folder's images. in_turn_ms: time
// for each of so many images, files of the first folder, that all cores first decode, then embed, then search for: each
// stage finds the caches as the others left them. read_gb_s: 10^9 bytes a second that all cores together read from
// memory. All are medians: the least says what a machine can do that other work leaves alone, and a service beside it
// has no such luck.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/pipeline.hpp"
#include "api/reference.hpp"
#include "core/crew.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "core/huge_pages.hpp"
#include "drift/scorer.hpp"
#include "embed/bundle.hpp"
#include "embed/embedder.hpp"

namespace {

namespace fs = std::filesystem;
using namespace driftd;

constexpr int kDecodeRuns = 5;
constexpr int kRuns = 15;
constexpr int kTurns = 200;
constexpr std::size_t kReadBytes = 512 << 20;  // several times the last cache's share of two cores
constexpr std::size_t kReadBlock = 1 << 20;
constexpr std::size_t kAhead = 8192;  // bytes fetched before they are read
constexpr std::size_t kEmbedBatches[] = {1, 2, 4, 8, 16};
constexpr std::size_t kSearchBatches[] = {1, 8, 64};
constexpr std::size_t kTurnBatches[] = {1, 8};

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files{fs::directory_iterator{folder}, {}};
  if (files.empty()) throw Error{Errc::not_found, folder.string() + " holds no images"};
  std::ranges::sort(files);
  return files;
}

double thread_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double decode_ms(const fs::path& folder, const embed::Preprocess& spec) {
  std::vector<double> times;
  for (const auto& file : files_of(folder)) {
    const auto bytes = read_file(file);
    for (int i = 0; i < kDecodeRuns; ++i) {
      const double start = thread_ms();
      (void)api::prepare(bytes, spec);
      times.push_back(thread_ms() - start);
    }
  }
  return median(std::move(times));
}

double usual_ms(const std::function<void()>& call, int runs = kRuns) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    times.push_back(std::chrono::duration<double, std::milli>{std::chrono::steady_clock::now() - start}.count());
  }
  return median(std::move(times));
}

// What a plain scan of vectors cannot do without.
double read_gb_s() {
  const std::vector<std::uint64_t, HugePageAllocator<std::uint64_t>> words(kReadBytes / sizeof(std::uint64_t), 1);
  constexpr std::size_t kBlock = kReadBlock / sizeof(std::uint64_t);
  constexpr std::size_t kLine = 64 / sizeof(std::uint64_t);
  std::atomic<std::uint64_t> sum{0};
  const double ms = usual_ms([&] {
    cores().each(words.size() / kBlock, [&](std::size_t block) {
      std::uint64_t mine = 0;
      const std::uint64_t* at = words.data() + block * kBlock;
      for (const std::uint64_t* end = at + kBlock; at != end; at += kLine) {
        __builtin_prefetch(at + kAhead / sizeof(std::uint64_t));
        for (std::size_t i = 0; i < kLine; ++i) mine += at[i];
      }
      sum += mine;
    });
  });
  if (sum != kRuns * words.size()) throw Error{Errc::internal, "memory was not read"};
  return 1e-6 * static_cast<double>(kReadBytes) / ms;
}

// `count` rows, those of `some` over and over.
Matrix repeated(const Matrix& some, std::size_t count) {
  Matrix all{count, some.cols};
  for (std::size_t i = 0; i < count; ++i) std::ranges::copy(some.row(i % some.rows), all.row(i).begin());
  return all;
}
std::vector<embed::Image> repeated(const std::vector<embed::Image>& some, std::size_t count) {
  std::vector<embed::Image> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(some[i % some.size()]);
  return all;
}

// each_ms(batch): time for each of so many.
template <class EachMs>
void print_each(const char* name, std::span<const std::size_t> batches, const EachMs& each_ms) {
  std::cout << ", \"" << name << "\": {";
  for (const std::size_t batch : batches)
    std::cout << (batch == batches.front() ? "" : ", ") << '"' << batch << "\": " << each_ms(batch);
  std::cout << '}';
}

template <class Rows, class Call>
double alone_ms(const Rows& rows, std::size_t batch, const Call& call) {
  const auto some = repeated(rows, batch);
  return usual_ms([&] { (void)call(some); }) / static_cast<double>(batch);
}

std::vector<embed::Image> images_of(const fs::path& folder, const embed::Preprocess& spec) {
  std::vector<embed::Image> images;
  for (const auto& file : files_of(folder)) images.push_back(api::prepare(read_file(file), spec).image);
  return images;
}

// What a service would do that answers `batch` requests at a time, but for everything between the stages.
double in_turn_ms(const fs::path& folder, std::size_t batch, const embed::Preprocess& spec, embed::Embedder& embedder,
                  const index::Segment& items) {
  std::vector<std::vector<std::uint8_t>> files;
  for (const auto& file : files_of(folder)) files.push_back(read_file(file));
  std::vector<embed::Image> images(batch);
  std::size_t next = 0;
  const double ms = usual_ms(
      [&] {
        cores().each(batch,
                     [&](std::size_t i) { images[i] = api::prepare(files[(next + i) % files.size()], spec).image; });
        next += batch;
        (void)items.search(embedder.embed(images), drift::kNeighbours);
      },
      kTurns);
  return ms / static_cast<double>(batch);
}

void run(const fs::path& directory, const std::vector<fs::path>& folders, const std::string& reference) {
  const auto bundle = embed::read_bundle(directory);
  std::cout << R"({"precision": ")" << bundle.precision << R"(", "decode_ms": {)";
  for (std::size_t i = 0; i < folders.size(); ++i) {
    std::cout << (i == 0 ? "" : ", ") << folders[i].filename() << ": " << decode_ms(folders[i], bundle.preprocess);
  }
  const auto embedder = embed::load_embedder(bundle);
  std::cout << R"(}, "read_gb_s": )" << read_gb_s() << R"(, "preferred_batch": )" << embedder->preferred_batch();
  const auto images = images_of(folders.front(), bundle.preprocess);
  print_each("embed_ms", kEmbedBatches, [&](std::size_t batch) {
    return alone_ms(images, batch, [&](const auto& some) { return embedder->embed(some); });
  });
  if (!reference.empty()) {
    const auto loaded = api::load_reference(reference, bundle);
    const auto& items = loaded.items->base();
    const auto queries = embedder->embed(images);
    print_each("search_ms", kSearchBatches, [&](std::size_t batch) {
      return alone_ms(queries, batch, [&](const auto& some) { return items.search(some, drift::kNeighbours); });
    });
    print_each("in_turn_ms", kTurnBatches, [&](std::size_t batch) {
      return in_turn_ms(folders.front(), batch, bundle.preprocess, *embedder, items);
    });
  }
  std::cout << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Decoding, embedding and searching, each alone"};
  std::string bundle;
  std::string reference;
  std::vector<fs::path> folders;
  app.add_option("bundle", bundle, "the model")->required();
  app.add_option("folders", folders, "of images; of the first one's, embeddings are searched for")->required();
  app.add_option("--reference", reference, "to search in; none: no search");
  CLI11_PARSE(app, argc, argv);
  try {
    run(bundle, folders, reference);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "hot_path_bench: " << error.what() << '\n';
    return 1;
  }
}
