#include "core/memory.hpp"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <thread>

namespace driftd {
namespace {

constexpr double kRest = 0.05;  // seconds of processor time between two looks: less is bookkeeping

// Code that the loader changed differs from its file: those pages cannot be had again.
bool has_changed_code(const dl_phdr_info& file) {
  for (const auto& header : std::span{file.dlpi_phdr, file.dlpi_phnum}) {
    if (header.p_type != PT_DYNAMIC) continue;
    for (const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(file.dlpi_addr + header.p_vaddr);
         entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0))
        return true;
    }
  }
  return false;
}

// Lets go of the whole pages of the file's read-only segments.
int release_pages(dl_phdr_info* file, std::size_t, void*) {
  if (has_changed_code(*file)) return 0;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (const auto& header : std::span{file->dlpi_phdr, file->dlpi_phnum}) {
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (file->dlpi_addr + header.p_vaddr + page - 1) / page * page;
    const std::uintptr_t end = (file->dlpi_addr + header.p_vaddr + header.p_filesz) / page * page;
    if (begin < end) (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void limit_heaps() {
  (void)::mallopt(M_ARENA_MAX, static_cast<int>(std::max(2U, std::thread::hardware_concurrency())));
}

void release_start_up_memory() {
  (void)::malloc_trim(0);
  (void)::dl_iterate_phdr(release_pages, nullptr);
}

bool HeapTrim::look(double processor_seconds) {
  const bool works = processor_seconds - before_ > kRest;
  const bool due = works || worked_;
  before_ = processor_seconds;
  worked_ = works;
  if (due) (void)::malloc_trim(0);
  return due;
}

double processor_seconds() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

}  // namespace driftd
