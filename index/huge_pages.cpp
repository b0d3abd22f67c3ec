#include "index/huge_pages.hpp"

#include <sys/mman.h>

#include <cstdint>

namespace driftd::index {

void want_huge_pages(void* begin, std::size_t bytes) {
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  const auto first = (from + kHugePage - 1) / kHugePage * kHugePage;
  const auto last = (from + bytes) / kHugePage * kHugePage;
  if (last > first) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace driftd::index
