#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <memory>
#include <string>

#include "api/audit.hpp"
#include "api/commands/command.hpp"
#include "core/error.hpp"

namespace driftd::api {
namespace {

struct RunOptions {
  AuditOptions audit;
  std::string rule = "blend";
  std::string shard = "1/1";
};

struct MergeOptions {
  std::vector<std::filesystem::path> parts;
  AuditOutput output;
};

// "2/8"
void read_shard(const std::string& text, AuditOptions& options) {
  const auto slash = text.find('/');
  const auto number = [&](std::string_view digits, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  const bool sound = slash != std::string::npos && number(std::string_view{text}.substr(0, slash), options.shard) &&
                     number(std::string_view{text}.substr(slash + 1), options.shards);
  if (!sound || options.shard < 1 || options.shard > options.shards || options.shards > 100'000) {
    throw Error{Errc::invalid_argument,
                "--shard " + text + ": write i/n, such as 2/8, with i from 1 to n (at most 100000)"};
  }
}

// The verdict is the one line on standard output and the exit code.
int tell(const AuditReport& report, const AuditOutput& output) {
  std::cerr << "report: " << (output.out / "report.html").string() << '\n';
  std::cout << report.verdict.text << '\n';
  if (report.verdict.drift) return 3;
  return report.verdict.sound ? 0 : 1;
}

int run(RunOptions options) {
  options.audit.scoring.rule = drift::rule_of(options.rule);
  read_shard(options.shard, options.audit);
  return tell(run_audit(options.audit), options.audit.output);
}

int merge(const MergeOptions& options) {
  return tell(merge_audits(options.parts, options.output), options.output);
}

void add_output_options(CLI::App& command, AuditOutput& output) {
  command.add_option("--out", output.out, "Directory for report.json, images.csv and report.html")->required();
  command
      .add_option("--fail-on", output.fail_on, "Exit with 3 when this holds: NAME (> | >= | < | <=) NUMBER, or never")
      ->capture_default_str();
  command.add_option("--evidence", output.evidence, "Strangest images shown with their nearest training images")
      ->capture_default_str()
      ->check(CLI::Range(0, 1000));
  command.add_option("--reference-images", output.reference_images,
                     "Folder that the reference was built from, for pictures in report.html");
  command.add_option("--metrics-file", output.metrics_file,
                     "Also write Prometheus text to this file (node_exporter's textfile collector)");
  command.footer("Names for --fail-on:\n" + condition_help());
}

}  // namespace

void add_audit_command(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("audit", "Score a whole folder and report its drift")->require_subcommand(1);

  auto options = std::make_shared<RunOptions>();
  auto& audit = options->audit;
  auto* run_command = group->add_subcommand("run", "Audit a folder or a list, or one shard of it");
  run_command->add_option("--reference", audit.reference, "Directory of the reference")->required();
  run_command
      ->add_option("--images", audit.images,
                   "Folder (root/label/image or flat), list of paths, or - for a list on standard input")
      ->required();
  run_command->add_option("--model", audit.model, "Bundle; default: the one that the reference was built with");
  run_command->add_option("--rule", options->rule, drift::rule_names())->capture_default_str();
  run_command->add_option("--k", audit.scoring.k, "Neighbours listed, and the k of rules knn, mean and l1")
      ->capture_default_str()
      ->check(CLI::Range(1, 10));
  run_command->add_option("--alpha", audit.scoring.alpha, "p-value at which an image counts as out of distribution")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  run_command->add_flag(
      "--per-label", audit.scoring.per_label,
      "Rank among images of the label that the nearest items vote for, a label of few images with all");
  run_command
      ->add_option("--shard", options->shard,
                   "i/n: only the i-th of n parts, for `audit merge`; all must see the same list")
      ->capture_default_str();
  run_command->add_flag("--resume", audit.resume,
                        "Continue the audit in --out that was cut off; start it when there is none");
  run_command->add_flag("--quiet", audit.quiet, "No progress");
  add_output_options(*run_command, audit.output);
  run_command->callback([options, &chosen] { chosen = [options] { return run(*options); }; });

  auto merging = std::make_shared<MergeOptions>();
  auto* merge_command = group->add_subcommand("merge", "Join the shards of one audit into the report of the whole");
  merge_command->add_option("shards", merging->parts, "The --out directories of all shards")->required();
  add_output_options(*merge_command, merging->output);
  merge_command->callback([merging, &chosen] { chosen = [merging] { return merge(*merging); }; });
}

}  // namespace driftd::api
