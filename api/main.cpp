#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "api/commands/command.hpp"
#include "api/version.hpp"
#include "core/error.hpp"
#include "core/memory.hpp"

namespace {

int exit_code_of(driftd::Errc code) {
  using driftd::Errc;
  switch (code) {
    case Errc::invalid_argument:
    case Errc::conflict:
      return 2;
    case Errc::unsupported_media:
    case Errc::undecodable:
    case Errc::too_large:
    case Errc::not_found:
    case Errc::overloaded:
    case Errc::deadline:
    case Errc::no_space:
    case Errc::corrupt:
    case Errc::internal:
      return 1;
  }
  return 1;
}

// How often a thread of OpenMP looks for the next loop before it sleeps: a tenth of a millisecond.
constexpr const char* kLooks = "10000";

// OpenMP's threads spin for milliseconds when they have nothing to do, and take a core from decoding and search:
// LibTorch's two threads beside two busy decoders ran seven times slower. Asleep at once, they are woken for each of a
// model's loops: a lone image in int8 takes 8.4 ms instead of 6. So they spin for as long as the pause between two
// loops. The OpenMP library reads the setting once, when it is loaded, so the program starts itself again with it; a
// user's own settings stand. Goes on as it is when that fails.
void wait_without_spinning_long(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  ::setenv("OMP_WAIT_POLICY", "passive", 1);
  ::setenv("GOMP_SPINCOUNT", kLooks, 1);
  ::execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  driftd::limit_heaps();
  CLI::App app{"driftd: a vector store and data-drift monitor for image models", "driftd"};
  app.set_version_flag("--version", std::string{"driftd "} + driftd::api::kVersion);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 failure, 2 usage, 3 drift found or files that do not match.");

  driftd::api::Chosen chosen;
  driftd::api::add_model_command(app, chosen);
  driftd::api::add_index_command(app, chosen);
  driftd::api::add_score_command(app, chosen);
  driftd::api::add_audit_command(app, chosen);
  driftd::api::add_serve_command(app, chosen);
  driftd::api::add_config_command(app, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!app.got_subcommand("config")) wait_without_spinning_long(argv);
  try {
    return chosen();
  } catch (const driftd::Error& error) {
    std::cerr << "driftd: " << error.what() << '\n';
    return exit_code_of(error.code());
  } catch (const std::exception& error) {
    std::cerr << "driftd: unexpected failure: " << error.what() << '\n';
    return 1;
  }
}
