#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>

#include "api/commands/command.hpp"
#include "api/scripts_directory.hpp"
#include "core/error.hpp"
#include "embed/embedder.hpp"

namespace driftd::api {
namespace {

namespace fs = std::filesystem;

// Where export_model.py and its Python are: beside the sources that this binary was built from, unless DRIFTD_SCRIPTS
// says otherwise.
fs::path scripts_directory() {
  const char* chosen = std::getenv("DRIFTD_SCRIPTS");
  return chosen != nullptr ? fs::path{chosen} : fs::path{kScriptsDirectory};
}

std::string python_for(const fs::path& scripts) {
  if (const char* chosen = std::getenv("DRIFTD_PYTHON")) return chosen;
  const auto own = scripts.parent_path() / ".venv" / "bin" / "python";
  return fs::exists(own) ? own.string() : "python3";
}

// The exporter is Python because the models are; this process becomes it, so its exit code and messages are ours.
[[noreturn]] void become_exporter(const std::vector<std::string>& arguments) {
  const auto script = scripts_directory() / "export_model.py";
  if (!fs::exists(script)) {
    throw Error{Errc::not_found,
                "there is no " + script.string() + "; set DRIFTD_SCRIPTS to the folder that holds export_model.py"};
  }
  const auto python = python_for(script.parent_path());
  std::vector<std::string> words{python, script.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(python.c_str(), argv.data());
  throw Error{Errc::not_found,
              "cannot run " + python + ": " + std::strerror(errno) + "; set DRIFTD_PYTHON to a Python that has torch"};
}

int info(const std::string& directory) {
  const auto bundle = embed::read_bundle(directory);
  const auto& p = bundle.preprocess;
  std::cout << "model      " << bundle.id() << "\nprecision  " << bundle.precision << "\nembedding  "
            << bundle.dimension << " values:";
  for (const auto& pool : bundle.pools) std::cout << ' ' << pool.name << " (" << pool.dimension << ')';
  std::cout << "\ninput      " << p.width << " x " << p.height << ", "
            << (p.mode == embed::Preprocess::Mode::stretch ? "stretched"
                                                           : "centre of short side " + std::to_string(p.short_side))
            << "\nweights   ";
  for (const auto& weights : bundle.weights) {
    std::cout << ' ' << weights.path.filename().string()
              << (weights.batch > 0 ? " (batch " + std::to_string(weights.batch) + ")" : "");
  }
  if (const auto& lone = bundle.lone)
    std::cout << ' ' << lone->path.filename().string() << " (a lone image, where there are " << lone->threads
              << " cores)";
  std::cout << '\n';
  return 0;
}

int verify(const std::string& directory) {
  const auto bundle = embed::read_bundle(directory);
  for (const auto format : {embed::EmbedderOptions::Format::torchscript, embed::EmbedderOptions::Format::aotinductor}) {
    try {
      (void)embed::load_embedder(bundle, {format, 0});
    } catch (const Error& error) {
      if (error.code() != Errc::not_found) throw;  // a bundle need not have both formats
      continue;
    }
    std::cout << (format == embed::EmbedderOptions::Format::torchscript ? "torchscript" : "aotinductor")
              << ": golden embeddings reproduced\n";
  }
  return 0;
}

}  // namespace

void add_model_command(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("model", "Export and check model bundles")->require_subcommand(1);

  auto* export_command = group->add_subcommand(
      "export", "Make a bundle from a PyTorch model; `driftd model export --help` lists its options");
  export_command->set_help_flag();  // --help belongs to the exporter
  export_command->prefix_command();
  export_command->callback([export_command, &chosen] {
    chosen = [export_command]() -> int { become_exporter(export_command->remaining()); };
  });

  auto directory = std::make_shared<std::string>();
  auto* info_command = group->add_subcommand("info", "Say what a bundle holds");
  auto* verify_command = group->add_subcommand("verify", "Check every hash and recompute the golden embeddings");
  for (auto* command : {info_command, verify_command})
    command->add_option("bundle", *directory, "Directory of the bundle")->required();
  info_command->callback([directory, &chosen] { chosen = [directory] { return info(*directory); }; });
  verify_command->callback([directory, &chosen] { chosen = [directory] { return verify(*directory); }; });
}

}  // namespace driftd::api
