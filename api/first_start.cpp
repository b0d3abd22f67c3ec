// OpenMP's threads spin while they wait for the next batch. That costs power and, as soon as anything else wants the
// cores, most of the speed: LibTorch's two threads beside two busy decoders ran seven times slower. The OpenMP library
// reads the setting once, in its constructor, so the program starts itself again with it; a user's own OMP_WAIT_POLICY
// stands. It goes on as it is when that fails.
//
// This runs before the constructors of all libraries: LibTorch's take a tenth of a second, which would be spent twice.
// Nothing is ready then but system calls, so the environment is counted and copied by hand.
#include <alloca.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace {

void wait_without_spinning(int /*argc*/, char** argv, char** environment) {
  static char setting[] = "OMP_WAIT_POLICY=passive";
  constexpr std::size_t kName = 16;  // with the equals sign
  std::size_t count = 0;
  for (; environment[count] != nullptr; ++count)
    if (std::strncmp(environment[count], setting, kName) == 0) return;
  auto** with_setting = static_cast<char**>(alloca((count + 2) * sizeof(char*)));
  std::memcpy(with_setting, environment, count * sizeof(char*));
  with_setting[count] = setting;
  with_setting[count + 1] = nullptr;
  ::execve("/proc/self/exe", argv, with_setting);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const kFirst)(int, char**, char**) = wait_without_spinning;

}  // namespace
