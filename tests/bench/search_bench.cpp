// What a search costs: time per query, memory, build time and recall of every kind of index, by size. One JSON object
// on standard output.
//
// Vectors are synthetic, shaped like embeddings (tests/support/clusters.hpp), the queries fresh ones of the same
// source. Cells are read as `driftd index build` would at its default recall: an eighth, then more until recall@3 >=
// 0.99. The error of the blend score against exact search, its other limit, is that of the queries; the distances of
// their neighbours to their own neighbours are the index's, as in a calibration. Beside each time stands its bound: how
// long this machine takes just to read, on all cores, the bytes that one query reads.
#include <faiss/IndexFlat.h>
#include <faiss/utils/distances.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/crew.hpp"
#include "core/memory.hpp"
#include "drift/scores/rules.hpp"
#include "drift/statistics.hpp"
#include "index/ann.hpp"
#include "index/sketch.hpp"
#include "tests/support/clusters.hpp"

namespace {

using namespace driftd;
using Clock = std::chrono::steady_clock;
using Search = std::function<void(MatrixView)>;

constexpr std::uint64_t kSeed = 42;
constexpr std::size_t kClusters = 200;
constexpr std::size_t kNeighbours = 10;  // what a score needs
constexpr std::size_t kRecallAt = 3;
constexpr double kRecall = 0.99;

struct Options {
  std::size_t dimension = 512;
  std::size_t queries = 192;
  std::vector<std::size_t> rows{1'000, 10'000, 100'000};
  std::vector<std::size_t> batches{1, 8, 64};
  std::vector<std::string> kinds{"flat", "ivf", "fp16", "sq8", "ivfsq8"};
  std::string vectors;  // a file to write them to
};

struct Row {  // of the table
  std::string kind;
  std::size_t rows = 0;
  std::size_t nlist = 0;
  std::size_t nprobe = 0;
  double build_s = 0;
  double memory_mib = 0;
  double recall_at_3 = 1;
  double score_error = 0;
  double bound_ms = 0;
  std::vector<double> ms;  // per query, medians, one for each batch size
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Eight registers, so that nothing but the memory is waited for.
[[gnu::target_clones("avx512f", "avx2", "default")]] float sum(std::span<const float> values) {
  using Vector = float __attribute__((vector_size(64), aligned(4)));
  Vector sums[8] = {};
  const auto* vectors = reinterpret_cast<const Vector*>(values.data());
  for (std::size_t i = 0; i + 8 <= values.size() / 16; i += 8) {
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += vectors[i + lane];
  }
  const Vector all = (sums[0] + sums[1]) + (sums[2] + sums[3]) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  float total = 0;
  for (int lane = 0; lane < 16; ++lane) total += all[lane];
  return total;
}

// Bytes per millisecond that one core, or all together, read of these vectors: the best of several passes.
double read_rate(std::span<const float> values) {
  constexpr std::size_t kPart = 1 << 16;
  const auto parts = (values.size() + kPart - 1) / kPart;
  double best = 1e300;
  for (std::size_t pass = 0; pass < 30; ++pass) {
    std::atomic<std::size_t> next{0};
    std::atomic<float> total{0};
    const auto start = Clock::now();
    cores().run(pass % 2 == 0 ? cores().helpers() : 0, [&](std::size_t) {
      float mine = 0;
      for (auto i = next++; i < parts; i = next++)
        mine += sum(values.subspan(i * kPart, std::min(kPart, values.size() - i * kPart)));
      total += mine;
    });
    best = std::min(best, 1000 * seconds_since(start));
  }
  return static_cast<double>(values.size_bytes()) / best;
}

double bytes_read(const index::Ann& ann) {
  const auto kind = ann.kind();
  const bool whole = kind == index::Kind::flat || kind == index::Kind::ivf;
  const bool bytes = whole ? index::Sketch::pays(ann.size(), ann.dimension()) : kind != index::Kind::fp16;
  const std::size_t stored = bytes ? 1 : ann.kind() == index::Kind::fp16 ? 2 : sizeof(float);
  const auto width = static_cast<double>(ann.dimension());
  const auto all = static_cast<double>(ann.size() * stored) * width;
  if (ann.nlist() == 0) return all;
  const auto nlist = static_cast<double>(ann.nlist());
  return all * static_cast<double>(ann.nprobe()) / nlist + nlist * width * sizeof(float);
}

double recall(const index::Neighbours& found, const index::Neighbours& exact) {
  std::size_t hits = 0;
  const auto queries = exact.rows.size() / kNeighbours;
  for (std::size_t q = 0; q < queries; ++q) {
    const auto truth = std::span{exact.rows}.subspan(q * kNeighbours, kRecallAt);
    for (const auto row : std::span{found.rows}.subspan(q * kNeighbours, kRecallAt))
      hits += std::ranges::count(truth, row) > 0 ? 1 : 0;
  }
  return static_cast<double>(hits) / static_cast<double>(queries * kRecallAt);
}

// Distances of rows to their own third and tenth neighbours, as a search of the index finds them.
std::map<std::int64_t, std::pair<float, float>> own_distances(const index::Ann& ann, std::vector<std::int64_t> rows) {
  std::ranges::sort(rows);
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
  const auto found = ann.search(ann.vectors(rows), kNeighbours + 1);
  std::map<std::int64_t, std::pair<float, float>> own;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<float> others;
    for (std::size_t j = i * found.k; j < (i + 1) * found.k; ++j) {
      if (found.rows[j] != rows[i]) others.push_back(found.distances[j]);
    }
    own[rows[i]] = {others.at(2), others.at(9)};
  }
  return own;
}

// Mean absolute difference between the blend scores of the queries by what was found and by what is true.
double score_error(const index::Ann& ann, const index::Neighbours& found, const index::Neighbours& exact) {
  constexpr double kFloor = 0.01;
  auto rows = found.rows;
  rows.insert(rows.end(), exact.rows.begin(), exact.rows.end());
  const auto own = own_distances(ann, std::move(rows));
  const auto queries = exact.rows.size() / kNeighbours;
  const auto terms_by = [&](const index::Neighbours& answer) {
    std::vector<drift::Terms> all;
    for (std::size_t q = 0; q < queries; ++q) {
      std::vector<drift::Near> near;
      for (std::size_t j = q * kNeighbours; j < (q + 1) * kNeighbours; ++j) {
        const auto& [own3, own10] = own.at(answer.rows[j]);
        near.push_back({answer.distances[j], own3, own10});
      }
      all.push_back(drift::terms_of(near, kFloor));
    }
    return all;
  };
  const auto by_index = terms_by(found);
  const auto by_exact = terms_by(exact);
  drift::Standards standards;
  for (std::size_t term = 0; term < standards.size(); ++term) {
    std::vector<double> values;
    for (const auto& terms : by_index) values.push_back(terms[term]);
    const auto median = drift::median(values);
    standards[term] = {median,
                       std::max(drift::kSpreadFloor, 1.4826 * drift::median_absolute_deviation(values, median))};
  }
  double sum = 0;
  for (std::size_t q = 0; q < queries; ++q) {
    sum += std::abs(drift::scores::blend(by_index[q], standards) - drift::scores::blend(by_exact[q], standards));
  }
  return sum / static_cast<double>(queries);
}

// Median milliseconds per query over all queries, asked `batch` at a time.
double time_per_query(const Search& search, MatrixView queries, std::size_t batch) {
  std::vector<double> times;
  search({std::min(batch, queries.rows), queries.cols, queries.data});  // warm
  for (std::size_t first = 0; first + batch <= queries.rows; first += batch) {
    const auto start = Clock::now();
    search({batch, queries.cols, queries.row(first).data()});
    times.push_back(1000 * seconds_since(start) / static_cast<double>(batch));
  }
  if (times.empty()) return 0;
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

std::vector<double> times(const Options& options, const Search& search, MatrixView queries) {
  std::vector<double> all;
  for (const auto batch : options.batches) all.push_back(time_per_query(search, queries, batch));
  return all;
}

double choose_nprobe(index::Ann& ann, MatrixView queries, const index::Neighbours& exact) {
  const auto reached_now = [&] { return recall(ann.search(queries, kNeighbours), exact); };
  if (ann.nlist() == 0) return reached_now();
  const auto limit = std::min(kRecall, reached_now());  // codes may miss it with all cells read
  ann.set_nprobe((ann.nlist() + 7) / 8);
  for (;;) {
    const auto reached = reached_now();
    if (reached >= limit) return reached;
    ann.set_nprobe(std::min(ann.nlist(), ann.nprobe() + std::max<std::size_t>(1, ann.nprobe() / 4)));
  }
}

Row measure(const Options& options, const std::string& kind, const index::Ann& flat, MatrixView queries, double rate) {
  Row row{.kind = kind, .rows = flat.size()};
  const auto exact = flat.search(queries, kNeighbours);
  const auto before = allocated_bytes();
  const auto start = Clock::now();
  auto ann = flat.converted(index::kind_of(kind));
  row.build_s = seconds_since(start);
  row.memory_mib = static_cast<double>(allocated_bytes() - before) / (1 << 20);
  row.recall_at_3 = choose_nprobe(ann, queries, exact);
  row.score_error = score_error(ann, ann.search(queries, kNeighbours), exact);
  row.nlist = ann.nlist();
  row.nprobe = ann.nprobe();
  row.bound_ms = bytes_read(ann) / rate;
  row.ms = times(options, [&](MatrixView some) { (void)ann.search(some, kNeighbours); }, queries);
  return row;
}

// FAISS's own exact search, as it is ("faiss") or through BLAS for every batch ("faiss-blas"), for comparison.
Row measure_faiss(const Options& options, const std::string& kind, MatrixView vectors, MatrixView queries,
                  double rate) {
  faiss::IndexFlatL2 flat{static_cast<faiss::Index::idx_t>(vectors.cols)};
  flat.add(static_cast<faiss::Index::idx_t>(vectors.rows), vectors.data);
  const auto before = faiss::distance_compute_blas_threshold;
  if (kind == "faiss-blas") faiss::distance_compute_blas_threshold = 1;
  const auto search = [&](MatrixView some) {
    std::vector<float> squares(some.rows * kNeighbours);
    std::vector<faiss::Index::idx_t> ids(some.rows * kNeighbours);
    flat.search(static_cast<faiss::Index::idx_t>(some.rows), some.data, kNeighbours, squares.data(), ids.data());
  };
  Row row{.kind = kind, .rows = vectors.rows, .ms = times(options, search, queries)};
  row.bound_ms = static_cast<double>(vectors.rows * vectors.cols * sizeof(float)) / rate;
  faiss::distance_compute_blas_threshold = before;
  return row;
}

void print(const Options& options, const Row& row, bool first) {
  std::cout << (first ? "\n  " : ",\n  ") << R"({"rows": )" << row.rows << R"(, "kind": ")" << row.kind
            << R"(", "nlist": )" << row.nlist << R"(, "nprobe": )" << row.nprobe << R"(, "build_s": )" << row.build_s
            << R"(, "memory_mib": )" << row.memory_mib << R"(, "recall_at_3": )" << row.recall_at_3
            << R"(, "score_error": )" << row.score_error << R"(, "bound_ms": )" << row.bound_ms << R"(, "ms": {)";
  for (std::size_t b = 0; b < row.ms.size(); ++b)
    std::cout << (b == 0 ? "" : ", ") << '"' << options.batches[b] << R"(": )" << row.ms[b];
  std::cout << "}}" << std::flush;
}

void run(const Options& options) {
  std::cout << R"({"dimension": )" << options.dimension << R"(, "queries": )" << options.queries << R"(, "k": )"
            << kNeighbours << R"(, "seed": )" << kSeed << R"(, "threads": )" << std::thread::hardware_concurrency()
            << R"(, "results": [)";
  bool first = true;
  for (const auto rows : options.rows) {
    auto vectors = test::clustered_unit_vectors(rows + options.queries, options.dimension, kSeed, kClusters);
    const auto begin = vectors.row(rows).data();
    const Matrix queries{options.queries, options.dimension, {begin, begin + options.queries * options.dimension}};
    const MatrixView base{rows, options.dimension, vectors.data.data()};
    if (!options.vectors.empty())
      std::ofstream{options.vectors, std::ios::binary}.write(reinterpret_cast<const char*>(vectors.data.data()),
                                                             static_cast<std::streamsize>(4 * vectors.data.size()));
    const auto rate = read_rate({base.data, base.rows * base.cols});
    const auto is_faiss = [](const std::string& kind) { return kind.starts_with("faiss"); };
    for (const auto& kind : options.kinds) {
      if (!is_faiss(kind)) continue;
      print(options, measure_faiss(options, kind, base, queries, rate), first);
      first = false;
    }
    index::Ann flat{options.dimension};
    flat.add(base);
    vectors = {};  // a million take 2 GB
    for (const auto& kind : options.kinds) {
      if (is_faiss(kind)) continue;
      print(options, measure(options, kind, flat, queries, rate), first);
      first = false;
    }
  }
  std::cout << "\n]}\n";
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"What a search costs, by kind and size of the index; JSON on standard output."};
  app.add_option("--dimension", options.dimension, "values of a vector")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--queries", options.queries)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--rows", options.rows, "sizes of the index, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--batches", options.batches, "queries asked at once")->delimiter(',')->capture_default_str();
  app.add_option("--kinds", options.kinds, "also: faiss, faiss-blas, its own exact search without and with BLAS")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--vectors", options.vectors,
                 "also write them here, then the queries, as floats, for peers/searches.py");
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "search_bench: " << error.what() << '\n';
    return 1;
  }
}
