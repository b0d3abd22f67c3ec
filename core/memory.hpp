// How much memory stays with the process. For programs that live long; nothing depends on it but what an operator sees.
//
// Functions are thread-safe, but limit_heaps() acts on threads that have not allocated yet: call it first in main().
#pragma once

namespace driftd {

// By default glibc gives eight heaps to each core, and each keeps the most that its threads ever held at once: a
// model's feature maps, several times. Here there is one for each core, two at least, which measured no slower (one for
// two cores cost 6% of the requests).
void limit_heaps();

// Gives back what start-up has used and serving does not need: free memory inside the heaps, and the pages of program
// files, most of which were read to register operators, or to copy weights. What is needed still comes back when it is
// touched, from the system's file cache. Cost: some milliseconds, and some hundreds of page faults afterwards.
void release_start_up_memory();

// Gives the heaps' free memory back while the process works and once when it has come to rest: the most that requests
// ever took at once would stay with it otherwise, in pieces between what is used. Confined to one thread.
class HeapTrim {
 public:
  // To be called every now and then, with the processor time used so far. Returns whether memory was given back: not
  // where next to nothing was used since the call before the last. Cost: some milliseconds.
  bool look(double processor_seconds);

 private:
  double before_ = 0;
  bool worked_ = false;
};

// Processor time of all threads of this process, in seconds.
[[nodiscard]] double processor_seconds();

}  // namespace driftd
