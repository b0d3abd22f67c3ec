#include "core/memory.hpp"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>

// jemalloc's; absent from a build with sanitizers, which have a heap of their own.
extern "C" [[gnu::weak]] int mallctl(const char* name, void* old, std::size_t* old_size, void* set, std::size_t size);

namespace driftd {
namespace {

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

// "arena.4096" is every arena: MALLCTL_ARENAS_ALL.
void release_free_memory() {
  if (mallctl == nullptr) return;
  (void)mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace

std::size_t allocated_bytes() {
  if (mallctl == nullptr) return 0;
  std::uint64_t epoch = 1;  // statistics are gathered when it is set
  std::size_t size = sizeof(epoch);
  (void)mallctl("epoch", &epoch, &size, &epoch, sizeof(epoch));
  std::size_t bytes = 0;
  size = sizeof(bytes);
  (void)mallctl("stats.allocated", &bytes, &size, nullptr, 0);
  return bytes;
}

void release_start_up_memory() {
  release_free_memory();
  (void)::dl_iterate_phdr(release_pages, nullptr);
}

}  // namespace driftd
