// How much memory stays with the process. For programs that live long; nothing depends on it but what an operator sees.
//
// The heap is jemalloc's (heap_settings.cpp). It gives free memory back to the system by itself, within a second or
// two. A user's MALLOC_CONF in the environment changes its settings. Functions are thread-safe.
#pragma once

#include <cstddef>

namespace driftd {

// Gives back what start-up has used and serving does not need: free memory inside the heap, and the pages of program
// files, most of which were read to register operators, or to copy weights. What is needed still comes back when it is
// touched, from the system's file cache. Cost: some milliseconds, and some hundreds of page faults afterwards.
void release_start_up_memory();

// What is allocated on the heap, without what jemalloc keeps for itself; 0 in a build with sanitizers.
[[nodiscard]] std::size_t allocated_bytes();

}  // namespace driftd
