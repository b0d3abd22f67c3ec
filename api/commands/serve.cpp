#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "api/app.hpp"
#include "api/commands/command.hpp"
#include "api/config.hpp"

namespace driftd::api {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> sets;

  [[nodiscard]] Config load() const { return load_config(config, sets, driftd_environment()); }
};

void add_options(CLI::App& command, Options& options) {
  command.add_option("--config", options.config, "JSON file; `driftd config print` shows every key with its default");
  command.add_option("--set", options.sets, "Overrides one key, as in --set http.port=8081; may be repeated")
      ->allow_extra_args(false);
}

}  // namespace

void add_serve_command(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  auto* serve_command = app.add_subcommand("serve", "Score images over HTTP, follow streams, raise alerts");
  add_options(*serve_command, *options);
  serve_command->callback([options, &chosen] { chosen = [options] { return serve(options->load(), std::cout); }; });
}

void add_config_command(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  auto* group = app.add_subcommand("config", "Show or check a configuration")->require_subcommand(1);
  auto* print = group->add_subcommand("print", "Print the effective configuration as a valid configuration file");
  auto* check = group->add_subcommand("check", "Say whether `driftd serve` would accept the configuration");
  for (auto* command : {print, check}) add_options(*command, *options);
  print->callback([options, &chosen] {
    chosen = [options] {
      std::cout << to_json(options->load());
      return 0;
    };
  });
  check->callback([options, &chosen] {
    chosen = [options] {
      check_config(options->load());
      std::cout << "the configuration is sound\n";
      return 0;
    };
  });
}

}  // namespace driftd::api
