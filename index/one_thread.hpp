// While it lives, OpenMP regions that this thread begins have one thread: it is one of several at work already, and
// FAISS would wake a team to decode a single vector.
//
// Confined to one thread.
#pragma once

#include <omp.h>

namespace driftd::index {

class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const int before_ = omp_get_max_threads();
};

}  // namespace driftd::index
