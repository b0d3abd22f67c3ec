// The subcommands of `driftd`, one file each: options, set-up and the work in one place.
//
// add_*() registers the subcommand; when it is the one given, `chosen` is set to what to do, which returns the exit
// code: 0 done, 1 failure, 2 usage, 3 drift found or files that do not match. Errors are thrown; main() turns them into
// text and code.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace driftd::api {

using Chosen = std::function<int()>;

void add_model_command(CLI::App& app, Chosen& chosen);
void add_index_command(CLI::App& app, Chosen& chosen);
// Parts of `driftd index`.
void add_index_build_command(CLI::App& group, Chosen& chosen);
void add_index_change_commands(CLI::App& group, Chosen& chosen);
void add_index_version_commands(CLI::App& group, Chosen& chosen);
void add_index_calibrate_command(CLI::App& group, Chosen& chosen);
void add_index_figures_commands(CLI::App& group, Chosen& chosen);
void add_score_command(CLI::App& app, Chosen& chosen);
void add_audit_command(CLI::App& app, Chosen& chosen);
void add_serve_command(CLI::App& app, Chosen& chosen);
void add_config_command(CLI::App& app, Chosen& chosen);

}  // namespace driftd::api
