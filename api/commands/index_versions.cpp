// driftd index snapshot, activate, restore, prune: the versions of a reference that no service holds.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>

#include "api/commands/command.hpp"
#include "api/time.hpp"
#include "core/error.hpp"
#include "index/collection.hpp"

namespace driftd::api {
namespace {

struct Options {
  std::string reference;
  std::string note;
  std::string out;
  std::int64_t version = 0;
  std::size_t keep = 2;
};

std::unique_ptr<index::Collection> open(const Options& options) {
  return index::Collection::open(options.reference,
                                 {.writable = true, .companion = {}, .now = [] { return rfc3339(now_ms()); }});
}

int snapshot(const Options& options) {
  const auto collection = open(options);
  const auto version = collection->take_snapshot(options.note);
  std::cout << "kept " << collection->name() << '@' << version << "; the next change goes on in a new version\n";
  return 0;
}

int activate(const Options& options) {
  const auto collection = open(options);
  const auto before = collection->snapshot()->id();
  std::cout << before << " -> " << collection->activate(options.version)->id() << '\n';
  return 0;
}

int restore(const Options& options) {
  index::Collection::restore(options.reference, options.version == 0 ? std::nullopt : std::optional{options.version},
                             options.out);
  const auto collection = index::Collection::open(options.out, {});
  std::cout << collection->snapshot()->id() << ", " << collection->snapshot()->size() << " items -> " << options.out
            << '\n';
  return 0;
}

int prune(const Options& options) {
  const auto gone = open(options)->prune(options.keep);
  std::cout << "removed " << gone.size() << " version" << (gone.size() == 1 ? "" : "s");
  for (const auto version : gone) std::cout << ' ' << version;
  std::cout << '\n';
  return 0;
}

}  // namespace

void add_index_version_commands(CLI::App& group, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  const auto command = [&](const char* name, const char* text, int (*run)(const Options&)) {
    auto* sub = group.add_subcommand(name, text);
    sub->add_option("reference", options->reference, "Directory of the reference")->required();
    sub->callback([options, run, &chosen] { chosen = [options, run] { return run(*options); }; });
    return sub;
  };
  command("snapshot", "Keep the live version as it is now", snapshot)
      ->add_option("--note", options->note, "What it is for");
  command("activate", "Make another version live", activate)
      ->add_option("version", options->version, "Its number")
      ->required()
      ->check(CLI::PositiveNumber);
  auto* restoring =
      command("restore", "Copy a version into a new reference: from a backup, or to go on elsewhere", restore);
  restoring->add_option("--out", options->out, "Directory to create")->required();
  restoring->add_option("--version", options->version, "Its number; default: the live one")->check(CLI::PositiveNumber);
  command("prune", "Remove old versions from the disk; the live one and snapshots stay", prune)
      ->add_option("--keep", options->keep, "How many of the others to keep, the newest")
      ->capture_default_str();
}

}  // namespace driftd::api
