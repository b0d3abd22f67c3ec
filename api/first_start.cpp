// Settings that OpenMP reads once, before main() runs: the program adds them to its environment and starts itself
// again. A user's own stand. It goes on as it is when that fails.
//
// OpenMP's threads spin for milliseconds when they have nothing to do, and take a core from decoding and search:
// LibTorch's two threads beside two busy decoders ran seven times slower. Asleep at once, they are woken for each of a
// model's loops: a lone image in int8 took 8.4 ms instead of 6. So they look for the next loop as long as the pause
// between two loops lasts, a tenth of a millisecond.
//
// This runs before the constructors of all libraries: LibTorch's take a tenth of a second, which would be spent twice.
// Nothing is ready then but system calls, so the environment is counted and copied by hand.
#include <alloca.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace {

char passive[] = "OMP_WAIT_POLICY=passive";
char looks[] = "GOMP_SPINCOUNT=10000";  // before a thread sleeps; OpenMP libraries other than GCC's do not know it

bool same_name(const char* a, const char* b) {
  for (; *a == *b && *a != '\0'; ++a, ++b)
    if (*a == '=') return true;
  return false;
}

void start_with_settings(int /*argc*/, char** argv, char** environment) {
  std::size_t count = 0;
  for (; environment[count] != nullptr; ++count)
    if (same_name(environment[count], passive) || same_name(environment[count], looks)) return;
  auto** next = static_cast<char**>(alloca((count + 3) * sizeof(char*)));
  std::memcpy(next, environment, count * sizeof(char*));
  next[count] = passive;
  next[count + 1] = looks;
  next[count + 2] = nullptr;
  ::execve("/proc/self/exe", argv, next);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const kFirst)(int, char**, char**) = start_with_settings;

}  // namespace
