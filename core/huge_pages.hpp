// Memory in pages of 2 MiB where the system has them to give: a pass over tens of megabytes then takes a quarter less,
// since a processor foresees reads only up to the end of a page, and a guest of a virtual machine finds each page
// through two tables.
//
// Thread-safe: pure functions. Where the system refuses, pages stay small, and only time is lost.
// Cost: a range that is written in part only may take up to 2 MiB for each byte of it.
#pragma once

#include <cstddef>
#include <new>

namespace driftd {

inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;  // of x86-64, and of ARM with base pages of 4 KiB

// Of the whole pages in a range that is written next; it begins where a huge page does.
void want_huge_pages(void* begin, std::size_t bytes);

// For containers that are read from one end to the other; those of less than two pages begin where a line of the
// processor's cache does.
template <class T>
struct HugePageAllocator {
  using value_type = T;

  HugePageAllocator() = default;
  template <class U>
  HugePageAllocator(const HugePageAllocator<U>&) {}  // NOLINT(google-explicit-constructor): as allocators convert

  T* allocate(std::size_t count) {
    const auto bytes = count * sizeof(T);
    void* memory = ::operator new(bytes, alignment(bytes));
    if (bytes >= 2 * kHugePage) want_huge_pages(memory, bytes);
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t count) { ::operator delete(memory, alignment(count * sizeof(T))); }
  bool operator==(const HugePageAllocator&) const = default;

 private:
  static std::align_val_t alignment(std::size_t bytes) {
    return std::align_val_t{bytes < 2 * kHugePage ? kCacheLine : kHugePage};
  }
};

}  // namespace driftd
