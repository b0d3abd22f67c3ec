// driftd index bench: what a reference's index is worth, in numbers.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <numeric>
#include <random>

#include "api/commands/command.hpp"
#include "api/reference.hpp"

namespace driftd::api {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string reference;
  std::string model;
  std::size_t queries = 200;
};

Reference load(const Options& options) {
  const auto bundle = embed::read_bundle(model_directory(options.model, options.reference));
  return load_reference(options.reference, bundle);
}

// Items of the reference as queries, so that they look like the real ones.
Matrix sample_of(const Reference& reference, std::size_t wanted) {
  std::vector<std::size_t> rows(reference.items->rows());
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<std::size_t> chosen;
  std::ranges::sample(rows, std::back_inserter(chosen), static_cast<std::ptrdiff_t>(wanted), std::mt19937_64{1});
  Matrix queries{chosen.size(), reference.items->dimension()};
  for (std::size_t i = 0; i < chosen.size(); ++i)
    std::ranges::copy(reference.items->vector(chosen[i]), queries.row(i).begin());
  return queries;
}

double recall(const index::Neighbours& found, const index::Neighbours& exact) {
  std::size_t hits = 0;
  for (std::size_t i = 0; i < found.rows.size(); ++i)
    hits += found.distances[i] <= exact.distances[i] * (1 + 1e-5F) ? 1 : 0;
  return static_cast<double>(hits) / static_cast<double>(found.rows.size());
}

int bench(const Options& options) {
  const auto reference = load(options);
  const auto queries = sample_of(reference, options.queries);
  std::printf("%s: %s, %zu items x %zu\n   batch   ms per query\n", reference.id().c_str(),
              std::string{index::name_of(reference.manifest().kind)}.c_str(), reference.items->size(),
              reference.items->dimension());
  for (const std::size_t batch : {1, 8, 64}) {
    const auto start = Clock::now();
    for (std::size_t first = 0; first < queries.rows; first += batch) {
      (void)reference.items->search({std::min(batch, queries.rows - first), queries.cols, queries.row(first).data()},
                                    drift::kNeighbours);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("%8zu %14.3f\n", batch, 1e3 * seconds / static_cast<double>(queries.rows));
  }
  const auto found = reference.items->search(queries, 3);
  const auto exact = reference.items->search(queries, 3, {.label = {}, .all_cells = true});
  std::printf("recall@3 against a search of all cells: %.4f (%zu queries)\n", recall(found, exact), queries.rows);
  return 0;
}

}  // namespace

void add_index_figures_commands(CLI::App& group, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  auto* command = group.add_subcommand("bench", "Time searches and measure recall on the reference's own items");
  command->add_option("reference", options->reference, "Directory of the reference")->required();
  command->add_option("--model", options->model, "Bundle; default: the one that the reference was built with");
  command->add_option("--queries", options->queries, "How many")->capture_default_str()->check(CLI::Range(1, 10000));
  command->callback([options, &chosen] { chosen = [options] { return bench(*options); }; });
}

}  // namespace driftd::api
