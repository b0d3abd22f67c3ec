#include "core/huge_pages.hpp"

#include <sys/mman.h>

namespace driftd {

void want_huge_pages(void* begin, std::size_t bytes) {
  ::madvise(begin, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
}

}  // namespace driftd
