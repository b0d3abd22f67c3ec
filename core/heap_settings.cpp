// Settings of the heap, jemalloc's. A user's own, in MALLOC_CONF, stand.
//
// Memory that is free for a second (dirty_decay_ms; by default ten) goes back to the system, even where no thread asks
// for any (background_thread). Not sooner: jemalloc gives back at once what is free in pieces of 8 MiB or more
// (oversize_threshold), as a batch's feature maps are, and each run of the default model paid for it by 2,500 page
// faults, a third of its time. The first heap is made before jemalloc has read its settings, and has to be told.
#include <jemalloc/jemalloc.h>

#include <cstddef>
#include <cstdint>

const char* malloc_conf = "background_thread:true,dirty_decay_ms:1000,oversize_threshold:0";

namespace {

[[gnu::constructor]] void tell_first_heap() {
  std::size_t never = SIZE_MAX;
  (void)mallctl("arena.0.oversize_threshold", nullptr, nullptr, &never, sizeof(never));
}

}  // namespace
