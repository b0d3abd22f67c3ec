// The two stages of a request that cost most before the search, each alone: from bytes to tensor, and through the
// model. One JSON object on standard output.
//
// usage: hot_path_bench BUNDLE FOLDER...
// decode_ms: CPU time of one thread for an image, median over the folder's images. embed_ms: time for an image when so
// many are embedded in one call, the least of the runs.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "api/pipeline.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "embed/bundle.hpp"
#include "embed/embedder.hpp"

namespace {

namespace fs = std::filesystem;
using namespace driftd;

constexpr int kDecodeRuns = 5;
constexpr int kEmbedRuns = 10;
constexpr std::size_t kBatches[] = {1, 2, 4, 8, 16};

double thread_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

double decode_ms(const fs::path& folder, const embed::Preprocess& spec) {
  std::vector<double> times;
  for (const auto& entry : fs::directory_iterator{folder}) {
    const auto bytes = read_file(entry.path());
    for (int i = 0; i < kDecodeRuns; ++i) {
      const double start = thread_ms();
      (void)api::prepare(bytes, spec);
      times.push_back(thread_ms() - start);
    }
  }
  if (times.empty()) throw Error{Errc::not_found, folder.string() + " holds no images"};
  std::ranges::nth_element(times, times.begin() + times.size() / 2);
  return times[times.size() / 2];
}

double embed_ms(embed::Embedder& embedder, const Matrix& images) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kEmbedRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    (void)embedder.embed(images);
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    best = std::min(best, elapsed.count() / static_cast<double>(images.rows));
  }
  return best;
}

void run(const fs::path& directory, const std::vector<fs::path>& folders) {
  const auto bundle = embed::read_bundle(directory);
  std::cout << R"({"precision": ")" << bundle.precision << R"(", "decode_ms": {)";
  for (std::size_t i = 0; i < folders.size(); ++i) {
    std::cout << (i == 0 ? "" : ", ") << folders[i].filename() << ": " << decode_ms(folders[i], bundle.preprocess);
  }
  const auto embedder = embed::load_embedder(bundle);
  std::cout << R"(}, "preferred_batch": )" << embedder->preferred_batch() << R"(, "embed_ms": {)";
  for (const std::size_t batch : kBatches) {
    Matrix images{batch, bundle.preprocess.tensor_size()};
    for (std::size_t i = 0; i < batch; ++i) std::ranges::copy(bundle.golden_input.row(0), images.row(i).begin());
    std::cout << (batch == kBatches[0] ? "" : ", ") << '"' << batch << "\": " << embed_ms(*embedder, images);
  }
  std::cout << "}}\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: hot_path_bench BUNDLE FOLDER...\n";
    return 2;
  }
  try {
    run(argv[1], {argv + 2, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "hot_path_bench: " << error.what() << '\n';
    return 1;
  }
}
