#include "index/huge_pages.hpp"

#include <sys/mman.h>

#include <cstdint>

namespace driftd::index {
namespace {

#ifdef MADV_COLLAPSE
constexpr int kCollapse = MADV_COLLAPSE;
#else
constexpr int kCollapse = 25;  // Linux 6.1; its headers may be older than the system
#endif

struct Range {
  void* begin;
  std::size_t bytes;
};

// The whole pages in a range.
Range whole_pages(const void* begin, std::size_t bytes) {
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  const auto first = (from + kHugePage - 1) / kHugePage * kHugePage;
  const auto last = (from + bytes) / kHugePage * kHugePage;
  return {reinterpret_cast<void*>(first), last > first ? last - first : 0};
}

}  // namespace

void want_huge_pages(void* begin, std::size_t bytes) {
  const auto range = whole_pages(begin, bytes);
  if (range.bytes > 0) ::madvise(range.begin, range.bytes, MADV_HUGEPAGE);
}

void collapse_to_huge_pages(const void* begin, std::size_t bytes) {
  const auto range = whole_pages(begin, bytes);
  if (range.bytes > 0) ::madvise(range.begin, range.bytes, kCollapse);
}

}  // namespace driftd::index
