#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "api/commands/command.hpp"
#include "api/version.hpp"
#include "core/error.hpp"
#include "core/thread.hpp"

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

}  // namespace

int main(int argc, char** argv) {
  driftd::name_thread("driftd");  // after its second start (first_start.cpp) the process has the name "exe"
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
