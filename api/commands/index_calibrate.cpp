// driftd index calibrate: what a reference's calibration promises, and a trial of whether it keeps it.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>

#include "api/calibration_page.hpp"
#include "api/calibration_trial.hpp"
#include "api/commands/command.hpp"
#include "api/progress.hpp"
#include "api/reference.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "drift/coverage.hpp"

namespace driftd::api {
namespace {

struct Options {
  std::string reference;
  std::string model;
  ScoreOptions scoring;
  std::string rule = "blend";
  std::string plot;
  bool no_trial = false;
  bool quiet = false;
};

// What the calibration has scores of.
std::vector<drift::Rule> known_rules(const drift::Calibration& calibration, std::size_t k) {
  std::vector<drift::Rule> rules;
  for (const auto rule : drift::kRules) {
    if (!calibration.ranks[drift::list_of(rule, k)].scores.empty()) rules.push_back(rule);
  }
  return rules;
}

void print_head(const Reference& reference) {
  const auto& c = reference.calibration();
  std::printf("reference  %s, %zu items, %llu changes since\ncalibrated %s, %zu images (%zu have copies, %zu left out)",
              reference.id().c_str(), reference.items->size(),
              static_cast<unsigned long long>(reference.items->revision()),
              std::string{drift::name_of(c.method)}.c_str(), c.ranked(), c.duplicates, c.excluded);
  if (c.groups > 0) std::printf(", of %zu groups, worth %.0f independent images", c.groups, c.effective);
  std::printf("\n");
}

// A line for each alpha: what it promises, and the score above which an image is out of distribution, by each rule.
void print_thresholds(const drift::Calibration& calibration, std::size_t k) {
  const auto rules = known_rules(calibration, k);
  std::printf("\n   alpha   false alarms   for 95 references of 100   score at least, by rule\n%51s", "");
  for (const auto rule : rules) std::printf(" %11s", std::string{drift::name_of(rule)}.c_str());
  std::printf("\n");
  for (const double alpha : {0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001}) {
    const auto [expected, interval] = drift::coverage_of(calibration, alpha);
    if (expected == 0) {
      std::printf("%8.3f   needs %zu images\n", alpha, drift::images_needed(alpha));
      continue;
    }
    std::printf("%8.3f   %12.4f   %.4f to %.4f %7s", alpha, expected, interval.lower, interval.upper, "");
    for (const auto rule : rules) std::printf(" %11.4f", drift::threshold(alpha, calibration, rule, k));
    std::printf("\n");
  }
}

void print_trial(const CalibrationTrial& trial, const std::string& rule) {
  std::printf("\ntrial of the rule %s: %zu images ranked as fresh ones among %zu others\n", rule.c_str(),
              trial.p_values.size(), trial.calibrated_on);
  for (const double alpha : {0.1, 0.05, 0.01}) {
    const auto flags = static_cast<std::uint64_t>(
        std::llround(trial.false_alarms(alpha) * static_cast<double>(trial.p_values.size())));
    const auto interval = drift::wilson(flags, trial.p_values.size());
    std::printf("%8.3f   %12.4f   (%.4f to %.4f)\n", alpha, trial.false_alarms(alpha), interval.lower, interval.upper);
  }
  const double distance = trial.ks_distance();
  std::printf("largest distance of their p-values from uniform: %.4f, %s %.4f, which even ones exceed once in 100\n",
              distance, distance > trial.ks_limit() ? "more than" : "less than", trial.ks_limit());
}

void write_plot(const Options& options, const Reference& reference, CalibrationTrial trial) {
  const auto extension = std::filesystem::path{options.plot}.extension();
  if (extension != ".svg" && extension != ".html")
    throw Error{Errc::invalid_argument, "--plot wants a file that ends in .svg or .html"};
  const auto& calibration = reference.calibration();
  const auto& s = options.scoring;
  CalibrationPage page;
  page.title = reference.id() + ", rule " + options.rule + ", " + std::string{drift::name_of(calibration.method)};
  page.scores = drift::leave_one_out(calibration, s.rule, s.k);
  page.alpha = s.alpha;
  page.threshold = drift::threshold(s.alpha, calibration, s.rule, s.k);
  page.trial = std::move(trial);
  write_file_atomically(options.plot, std::string_view{extension == ".svg" ? svg_of(page) : html_of(page)});
  std::printf("%s has the scores and p-values\n", options.plot.c_str());
}

int calibrate_command(Options options) {
  if (options.no_trial && !options.plot.empty())
    throw Error{Errc::invalid_argument, "--plot draws the trial; leave --no-trial away"};
  options.scoring.rule = drift::rule_of(options.rule);
  const auto bundle = embed::read_bundle(model_directory(options.model, options.reference));
  const auto reference = load_reference(options.reference, bundle);
  (void)drift::leave_one_out(reference.calibration(), options.scoring.rule, options.scoring.k);
  print_head(reference);
  print_thresholds(reference.calibration(), options.scoring.k);
  if (options.no_trial) return 0;
  const auto& held_out = reference.normal().plan.held_out.vectors;
  const auto there = held_out.rows > 0 ? held_out.rows : reference.items->base().size();
  if (there < images_for_trial(reference)) {
    const auto text = "a trial takes " + std::to_string(images_for_trial(reference)) +
                      (held_out.rows > 0 ? " held-out images" : " items") + ", there are " + std::to_string(there);
    if (!options.plot.empty()) throw Error{Errc::invalid_argument, text + "; --plot draws the trial"};
    std::printf("\nno trial: %s\n", text.c_str());
    return 0;
  }
  Progress progress{"trying", std::min<std::size_t>(reference.items->base().size(), 16'000), options.quiet};
  auto trial = try_calibration(reference, options.scoring, bundle.pools.size(),
                               [&](std::size_t done) { progress.update(done); });
  print_trial(trial, options.rule);
  if (!options.plot.empty()) write_plot(options, reference, std::move(trial));
  return 0;
}

}  // namespace

void add_index_calibrate_command(CLI::App& group, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  auto* command = group.add_subcommand(
      "calibrate", "Show what the calibration promises, and try it on images taken out of the reference");
  command->add_option("--reference,reference", options->reference, "Directory of the reference")->required();
  command->add_option("--model", options->model, "Bundle; default: the one that the reference was built with");
  command->add_option("--rule", options->rule, "Of the trial and the plot: " + drift::rule_names())
      ->capture_default_str();
  command->add_option("--k", options->scoring.k, "The k of rules knn, mean and l1")
      ->capture_default_str()
      ->check(CLI::Range(1, 10));
  command->add_option("--alpha", options->scoring.alpha, "Marked in the plot")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--plot", options->plot,
                      "Write the scores and the trial's p-values as a drawing: FILE.svg or FILE.html");
  command->add_flag("--no-trial", options->no_trial, "Only show the calibration that there is");
  command->add_flag("--quiet", options->quiet, "No progress");
  command->callback([options, &chosen] { chosen = [options] { return calibrate_command(*options); }; });
}

}  // namespace driftd::api
