// driftd index info and verify: what a reference holds, and whether its files are as they were written.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>

#include "api/commands/command.hpp"
#include "api/reference.hpp"
#include "drift/coverage.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;

// "flat: exact search" or how near another kind comes to it.
std::string search_text(const index::Manifest& m) {
  std::ostringstream text;
  text << index::name_of(m.kind);
  if (m.search.nlist > 0) text << ", reads " << m.search.nprobe << " of " << m.search.nlist << " cells";
  if (m.search.sample == 0) {
    text << ", exact search";
  } else {
    text << std::setprecision(3) << ", recall@3 " << m.search.recall << ", mean score error " << m.search.score_error
         << " (measured on " << m.search.sample << " items)";
  }
  return text.str();
}

// What the calibration promises, for the alphas that it can reach.
void print_calibration(const drift::Calibration& c) {
  std::cout << "calibrated " << drift::name_of(c.method) << ", " << c.ranked() << " images";
  if (c.groups > 0)
    std::cout << " of " << c.groups << " groups, worth " << static_cast<std::size_t>(c.effective)
              << " independent ones";
  std::cout << (c.labels.empty() ? "" : ", " + std::to_string(c.labels.size()) + " labels") << '\n';
  for (const double alpha : {0.05, 0.01}) {
    const auto [expected, interval] = drift::coverage_of(c, alpha);
    if (expected == 0) {
      std::cout << "           alpha " << alpha << " needs " << drift::images_needed(alpha) << " images\n";
      continue;
    }
    std::cout << std::setprecision(3) << "           alpha " << alpha << ": false alarms " << expected
              << ", for 95 references of 100 " << interval.lower << " to " << interval.upper << '\n';
  }
}

void print_versions(const std::string& directory) {
  const auto collection = index::Collection::open(directory, {});
  print_calibration(calibration_of(collection->snapshot()->base()));
  if (!collection->fault().empty()) std::cout << "DAMAGED    " << collection->fault() << '\n';
  for (const auto& [version, live] : collection->versions()) {
    std::cout << "version    " << version.version << (live ? " (live)" : "") << (version.snapshot ? ", snapshot" : "")
              << ", " << version.changes << " changes" << (version.origin.empty() ? "" : ", " + version.origin) << ' '
              << version.created << (version.note.empty() ? "" : ": " + version.note) << '\n';
  }
}

int info(const std::string& directory) {
  const auto m = index::read_live_manifest(directory);
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator{directory})
    bytes += entry.is_regular_file() ? entry.file_size() : 0;
  std::cout << "reference  " << m.id() << "\ncreated    " << m.created << "\nitems      " << m.count << " ("
            << m.skipped << " files skipped)"
            << "\nindex      " << search_text(m) << "\n           " << m.dimension << " values per vector, "
            << index::name_of(m.metric) << "\nmodel      " << m.model_name << "@sha256:" << m.model_hash
            << "\n           built from " << m.model_directory << "\nsize       " << bytes / 1024 << " KiB on disk\n";
  print_versions(directory);
  return 0;
}

int verify(const std::string& directory) {
  const auto faults = index::verify_collection(directory);
  for (const auto& fault : faults) std::cout << directory << ": " << fault << '\n';
  if (!faults.empty()) return 3;
  const auto collection = index::Collection::open(directory, {});
  if (!collection->fault().empty()) {  // sound bytes that do not fit together are damage too
    std::cout << collection->fault() << '\n';
    return 3;
  }
  std::cout << directory << ": every file matches its checksum\n";
  return 0;
}

int verify_erased(const std::string& directory, const std::string& id) {
  const auto traces = index::traces_of(directory, id);
  for (const auto& trace : traces.in_live) std::cout << "live " << trace << '\n';
  for (const auto& trace : traces.in_others) std::cout << "older " << trace << '\n';
  if (!traces.in_live.empty()) {
    std::cout << "item " << id << " is not erased; remove it, then compact\n";
    return 3;
  }
  std::cout << "no file of the live version holds the item " << id
            << (traces.in_others.empty() ? "; no other version does\n"
                                         : "; older versions do, until `driftd index prune --keep 0`\n");
  return 0;
}

}  // namespace

void add_index_command(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("index", "Build and look after references")->require_subcommand(1);
  add_index_build_command(*group, chosen);

  auto directory = std::make_shared<std::string>();
  auto* info_command = group->add_subcommand("info", "Say what a reference holds");
  auto* verify_command =
      group->add_subcommand("verify", "Compare every byte with its checksum; exit 3 on a difference");
  for (auto* command : {info_command, verify_command})
    command->add_option("reference", *directory, "Directory of the reference")->required();
  info_command->callback([directory, &chosen] { chosen = [directory] { return info(*directory); }; });
  auto erased = std::make_shared<std::string>();
  verify_command->add_option(
      "--erased", *erased, "Say instead where this item's id or vector is still found; exit 3 if in the live version");
  verify_command->callback([directory, erased, &chosen] {
    chosen = [directory, erased] { return erased->empty() ? verify(*directory) : verify_erased(*directory, *erased); };
  });
  add_index_change_commands(*group, chosen);
  add_index_version_commands(*group, chosen);
  add_index_calibrate_command(*group, chosen);
  add_index_figures_commands(*group, chosen);
}

}  // namespace driftd::api
