#include "api/command_runner.hpp"

#include <fcntl.h>

#include <thread>

#include "tests/support/catch.hpp"

using namespace driftd::api;
using namespace std::chrono_literals;

namespace {

CommandResult shell(const std::string& script, const std::string& input = "", std::chrono::milliseconds timeout = 20s) {
  return run_command({"sh", "-c", script}, input, timeout, {});
}

}  // namespace

TEST_CASE("a command reads the input, and its output and exit code are kept") {
  const auto result = shell("cat; echo wrong >&2; exit 3", "request\n");
  CHECK(result.exit_code == 3);
  CHECK(result.output == "request\nwrong\n");
  CHECK_FALSE(result.timed_out);
}

TEST_CASE("arguments are passed as they are: there is no shell") {
  CHECK(run_command({"echo", "$HOME; *"}, "", 20s, {}).output == "$HOME; *\n");
}

TEST_CASE("a program that does not exist is code 127 with the reason") {
  const auto result = run_command({"/no/such/program"}, "", 20s, {});
  CHECK(result.exit_code == 127);
  CHECK(result.output.find("/no/such/program: No such file") == 0);
}

TEST_CASE("of much output the end is kept, and a large input need not be read") {
  const auto result = shell("head -c 100000 /dev/zero | tr '\\0' x; echo end", std::string(1 << 20, 'i'));
  CHECK(result.exit_code == 0);
  CHECK(result.output.size() == 4096);
  CHECK(result.output.substr(4092) == "end\n");
}

TEST_CASE("a command that takes too long is ended with all that it started") {
  const auto result = shell("echo begun; sleep 100 & wait", "", 300ms);
  CHECK(result.timed_out);
  CHECK(result.exit_code == 128 + 15);
  CHECK(result.output == "begun\n");
}

TEST_CASE("a stop ends a command") {
  std::stop_source stop;
  std::jthread stopper{[&] { stop.request_stop(); }};
  const auto result = run_command({"sleep", "100"}, "", 100s, stop.get_token());
  CHECK(result.exit_code == 128 + 15);
  CHECK_FALSE(result.timed_out);
}

TEST_CASE("a command inherits no open file but the standard ones") {
  const int leaked = ::open("/dev/null", O_RDONLY);  // without close-on-exec
  REQUIRE(leaked > 2);
  const auto result = shell("[ ! -e /proc/self/fd/" + std::to_string(leaked) + " ] && echo clean");
  CHECK(result.output == "clean\n");
}

TEST_CASE("a process left behind does not keep the command from ending") {
  const auto result = shell("sleep 5 & echo done");
  CHECK(result.exit_code == 0);
  CHECK(result.output == "done\n");
}
