// What a search costs: time per query, memory, build time and recall of every kind of index, by size. JSON on standard
// output.
//
// usage: search_bench DIMENSION ROWS...
// Vectors are synthetic, shaped like embeddings (tests/support/clusters.hpp), the queries fresh ones of the same
// source. Cells are read as `driftd index build` would at its default recall: an eighth, then more until recall@3 >=
// 0.99. The score's error, its other limit, needs a calibration and is left out.
#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "index/ann.hpp"
#include "tests/support/clusters.hpp"

namespace {

using namespace driftd;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSeed = 42;
constexpr std::size_t kQueries = 200;
constexpr std::size_t kClusters = 200;
constexpr std::size_t kNeighbours = 10;  // what a score needs
constexpr std::size_t kRecallAt = 3;
constexpr double kRecall = 0.99;

struct Figures {
  double build_s = 0;
  double memory_mib = 0;
  double recall_at_3 = 1;
  double batch1_ms = 0;  // per query, medians
  double batch8_ms = 0;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::size_t allocated_bytes() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::size_t number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0) {
    throw Error{Errc::invalid_argument, "'" + std::string{text} + "' is not a whole number above 0"};
  }
  return value;
}

double recall(const index::Neighbours& found, const index::Neighbours& exact) {
  std::size_t hits = 0;
  for (std::size_t q = 0; q < kQueries; ++q) {
    const auto truth = std::span{exact.rows}.subspan(q * kNeighbours, kRecallAt);
    for (const auto row : std::span{found.rows}.subspan(q * kNeighbours, kRecallAt))
      hits += std::ranges::count(truth, row) > 0 ? 1 : 0;
  }
  return static_cast<double>(hits) / (kQueries * kRecallAt);
}

// Median milliseconds per query over all queries, asked `batch` at a time.
double time_per_query(const index::Ann& ann, MatrixView queries, std::size_t batch) {
  std::vector<double> times;
  for (std::size_t first = 0; first + batch <= queries.rows; first += batch) {
    const auto start = Clock::now();
    (void)ann.search({batch, queries.cols, queries.row(first).data()}, kNeighbours);
    times.push_back(1000 * seconds_since(start) / static_cast<double>(batch));
  }
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

double choose_nprobe(index::Ann& ann, MatrixView queries, const index::Neighbours& exact) {
  if (ann.nlist() == 0) return recall(ann.search(queries, kNeighbours), exact);
  const auto limit =
      std::min(kRecall, recall(ann.search(queries, kNeighbours), exact));  // codes may miss it with all cells read
  ann.set_nprobe((ann.nlist() + 7) / 8);
  for (;;) {
    const auto reached = recall(ann.search(queries, kNeighbours), exact);
    if (reached >= limit) return reached;
    ann.set_nprobe(std::min(ann.nlist(), ann.nprobe() + std::max<std::size_t>(1, ann.nprobe() / 4)));
  }
}

void print(std::size_t rows, std::size_t dimension, const index::Ann& ann, const Figures& f, bool last) {
  std::cout << "  {\"rows\": " << rows << ", \"dimension\": " << dimension << ", \"kind\": \""
            << index::name_of(ann.kind()) << "\", \"nlist\": " << ann.nlist() << ", \"nprobe\": " << ann.nprobe()
            << ", \"build_s\": " << f.build_s << ", \"memory_mib\": " << f.memory_mib
            << ", \"recall_at_3\": " << f.recall_at_3 << ", \"batch1_ms\": " << f.batch1_ms
            << ", \"batch8_ms\": " << f.batch8_ms << "}" << (last ? "" : ",") << std::endl;
}

void measure(std::size_t rows, std::size_t dimension, bool last_size) {
  const auto vectors = test::clustered_unit_vectors(rows + kQueries, dimension, kSeed, kClusters);
  const MatrixView queries{kQueries, dimension, vectors.row(rows).data()};
  index::Ann flat{dimension};
  flat.add({rows, dimension, vectors.data.data()});
  const auto exact = flat.search(queries, kNeighbours);
  for (const auto kind : {index::Kind::flat, index::Kind::ivf, index::Kind::sq8, index::Kind::ivfsq8}) {
    Figures figures;
    const auto before = allocated_bytes();
    const auto start = Clock::now();
    auto ann = flat.converted(kind);
    figures.build_s = seconds_since(start);
    figures.memory_mib = static_cast<double>(allocated_bytes() - before) / (1 << 20);
    figures.recall_at_3 = choose_nprobe(ann, queries, exact);
    figures.batch1_ms = time_per_query(ann, queries, 1);
    figures.batch8_ms = time_per_query(ann, queries, 8);
    print(rows, dimension, ann, figures, last_size && kind == index::Kind::ivfsq8);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: search_bench DIMENSION ROWS...\n";
    return 2;
  }
  try {
    const auto dimension = number(argv[1]);
    std::cout << "[\n";
    for (int i = 2; i < argc; ++i) measure(number(argv[i]), dimension, i + 1 == argc);
    std::cout << "]\n";
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "search_bench: " << error.what() << '\n';
    return 1;
  }
}
