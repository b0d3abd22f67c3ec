// Settings that libraries read once, before main() runs: the program adds them to its environment and starts itself
// again. A user's own stand. It goes on as it is when that fails.
//
// OpenMP's threads spin for milliseconds when they have nothing to do, and take a core from decoding and search:
// LibTorch's two threads beside two busy decoders ran seven times slower. Asleep at once, they are woken for each of a
// model's loops: a lone image in int8 took 8.4 ms instead of 6. So they look for the next loop as long as the pause
// between two loops lasts, a tenth of a millisecond.
//
// Large blocks of memory are in huge pages, where the system leaves that to the program: the vectors of a reference are
// in memory sooner by half, and feature maps cost fewer page faults.
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
char pages[] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";

bool same_name(const char* a, const char* b) {
  for (; *a == *b && *a != '\0'; ++a, ++b)
    if (*a == '=') return true;
  return false;
}

bool has(char* const* environment, const char* setting) {
  for (; *environment != nullptr; ++environment)
    if (same_name(*environment, setting)) return true;
  return false;
}

void start_with_settings(int /*argc*/, char** argv, char** environment) {
  const bool set_wait = !has(environment, passive) && !has(environment, looks);
  const bool set_pages = !has(environment, pages);
  if (!set_wait && !set_pages) return;
  std::size_t count = 0;
  while (environment[count] != nullptr) ++count;
  constexpr std::size_t kMost = 4;  // that are added, with the null pointer
  auto** next = static_cast<char**>(alloca((count + kMost) * sizeof(char*)));
  std::memcpy(next, environment, count * sizeof(char*));
  if (set_wait) {
    next[count++] = passive;
    next[count++] = looks;
  }
  if (set_pages) next[count++] = pages;
  next[count] = nullptr;
  ::execve("/proc/self/exe", argv, next);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const kFirst)(int, char**, char**) = start_with_settings;

}  // namespace
