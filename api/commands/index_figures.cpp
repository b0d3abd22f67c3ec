// driftd index calibrate, bench: what a reference's calibration and index are worth, in numbers.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <memory>
#include <numeric>
#include <random>

#include "api/commands/command.hpp"
#include "api/reference.hpp"
#include "core/error.hpp"
#include "drift/statistics.hpp"

namespace driftd::api {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string reference;
  std::string model;
  std::string rule = "blend";
  std::size_t k = drift::kDefaultK;
  std::size_t queries = 200;
};

Reference load(const Options& options) {
  const auto bundle = embed::read_bundle(model_directory(options.model, options.reference));
  return load_reference(options.reference, bundle);
}

// The rate of false alarms that the user gets with this one reference lies here 95 times in 100: it is Beta distributed
// over references (Vovk 2012, see drift/statistics.hpp), approximated by its mean and variance.
std::pair<double, double> realised_rate(double alpha, std::size_t ranked) {
  const auto c = static_cast<double>(drift::conformal_ranks(alpha, ranked));
  const auto n = static_cast<double>(ranked) + 1;
  const double mean = c / n;
  const double deviation = std::sqrt(mean * (1 - mean) / (n + 1));
  return {std::max(0.0, mean - 1.96 * deviation), mean + 1.96 * deviation};
}

void print_thresholds(const drift::Calibration& calibration, drift::Rule rule, const Options& options) {
  std::printf("\n   alpha   score over   distance over   false alarms, 95%% of references\n");
  for (const double alpha : {0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001}) {
    if (drift::conformal_ranks(alpha, calibration.ranked()) == 0) {
      std::printf("%8.3f   needs %zu images\n", alpha, static_cast<std::size_t>(1 / alpha) - 1);
      continue;
    }
    const auto [low, high] = realised_rate(alpha, calibration.ranked());
    std::printf("%8.3f %12.3f %15.4f   %.4f to %.4f\n", alpha, drift::threshold(alpha, calibration, rule, options.k),
                drift::threshold(alpha, calibration, drift::Rule::knn, options.k), low, high);
  }
}

void plot(const std::vector<float>& ascending) {
  constexpr std::size_t kBins = 20;
  constexpr std::size_t kWidth = 60;
  const double low = ascending.front();
  const double high = std::max<double>(ascending.back(), low + 1e-6);
  std::vector<std::size_t> counts(kBins);
  for (const auto score : ascending) ++counts[std::min(kBins - 1, static_cast<std::size_t>((score - low) / (high - low) * kBins))];
  const auto most = std::max<std::size_t>(1, *std::ranges::max_element(counts));
  std::printf("\nscores of the reference's own images, each left out once\n");
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    const auto bar = std::string(counts[bin] * kWidth / most, '#');
    std::printf("%10.3f  %-60s %zu\n", low + (high - low) * static_cast<double>(bin) / kBins, bar.c_str(), counts[bin]);
  }
}

int calibrate_command(const Options& options) {
  const auto reference = load(options);
  const auto& calibration = reference.calibration();
  const auto rule = drift::rule_of(options.rule);
  std::printf("reference  %s, %zu items, %zu of them ranked (%zu have copies, %zu left out), %llu changes since\nrule       %s\n", reference.id().c_str(),
              reference.items->size(), calibration.ranked(), calibration.duplicates, calibration.excluded,
              static_cast<unsigned long long>(reference.items->revision()), options.rule.c_str());
  print_thresholds(calibration, rule, options);
  plot(rule == drift::Rule::blend ? calibration.blend : calibration.knn[options.k - 1]);
  return 0;
}

// Items of the reference as queries, so that they look like the real ones.
Matrix sample_of(const Reference& reference, std::size_t wanted) {
  std::vector<std::size_t> rows(reference.items->rows());
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<std::size_t> chosen;
  std::ranges::sample(rows, std::back_inserter(chosen), static_cast<std::ptrdiff_t>(wanted), std::mt19937_64{1});
  Matrix queries{chosen.size(), reference.items->dimension()};
  for (std::size_t i = 0; i < chosen.size(); ++i) std::ranges::copy(reference.items->vector(chosen[i]), queries.row(i).begin());
  return queries;
}

double recall(const index::Neighbours& found, const index::Neighbours& exact) {
  std::size_t hits = 0;
  for (std::size_t i = 0; i < found.rows.size(); ++i) hits += found.distances[i] <= exact.distances[i] * (1 + 1e-5F) ? 1 : 0;
  return static_cast<double>(hits) / static_cast<double>(found.rows.size());
}

int bench(const Options& options) {
  const auto reference = load(options);
  const auto queries = sample_of(reference, options.queries);
  std::printf("%s: %s, %zu items x %zu\n   batch   ms per query\n", reference.id().c_str(), std::string{index::name_of(reference.manifest().kind)}.c_str(),
              reference.items->size(), reference.items->dimension());
  for (const std::size_t batch : {1, 8, 64}) {
    const auto start = Clock::now();
    for (std::size_t first = 0; first < queries.rows; first += batch) {
      (void)reference.items->search({std::min(batch, queries.rows - first), queries.cols, queries.row(first).data()}, drift::kNeighbours);
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
  const auto command = [&](const char* name, const char* text, int (*run)(const Options&)) {
    auto* sub = group.add_subcommand(name, text);
    sub->add_option("reference", options->reference, "Directory of the reference")->required();
    sub->add_option("--model", options->model, "Bundle; default: the one that the reference was built with");
    sub->callback([options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
    return sub;
  };
  auto* calibrating = command("calibrate", "Show the calibration: thresholds, the false alarms to expect, and a plot", calibrate_command);
  calibrating->add_option("--rule", options->rule, "blend or knn")->capture_default_str();
  calibrating->add_option("--k", options->k, "The k of rule knn, and of the distance shown")->capture_default_str()->check(CLI::Range(1, 10));
  command("bench", "Time searches and measure recall on the reference's own items", bench)
      ->add_option("--queries", options->queries, "How many")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
}

}  // namespace driftd::api
