// OpenMP's threads spin for milliseconds when they have nothing to do, and take a core from decoding and search:
// LibTorch's two threads beside two busy decoders ran seven times slower. Asleep at once, they are woken for each of a
// model's loops: a lone image in int8 took 8.4 ms instead of 6. So they look for the next loop as long as the pause
// between two loops lasts, a tenth of a millisecond. The OpenMP library reads its settings once, in its constructor, so
// the program starts itself again with them; a user's own stand. It goes on as it is when that fails.
//
// This runs before the constructors of all libraries: LibTorch's take a tenth of a second, which would be spent twice.
// Nothing is ready then but system calls, so the environment is counted and copied by hand.
#include <alloca.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <iterator>

namespace {

char passive[] = "OMP_WAIT_POLICY=passive";
char looks[] = "GOMP_SPINCOUNT=10000";  // before a thread sleeps; OpenMP libraries other than GCC's do not know it
char* const kSettings[] = {passive, looks};

bool same_name(const char* a, const char* b) {
  for (; *a == *b && *a != '\0'; ++a, ++b)
    if (*a == '=') return true;
  return false;
}

void spin_for_a_pause(int /*argc*/, char** argv, char** environment) {
  std::size_t count = 0;
  for (; environment[count] != nullptr; ++count) {
    for (const char* setting : kSettings)
      if (same_name(environment[count], setting)) return;
  }
  constexpr std::size_t kMore = std::size(kSettings);
  auto** with_settings = static_cast<char**>(alloca((count + kMore + 1) * sizeof(char*)));
  std::memcpy(with_settings, environment, count * sizeof(char*));
  for (std::size_t i = 0; i < kMore; ++i) with_settings[count + i] = kSettings[i];
  with_settings[count + kMore] = nullptr;
  ::execve("/proc/self/exe", argv, with_settings);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const kFirst)(int, char**, char**) = spin_for_a_pause;

}  // namespace
