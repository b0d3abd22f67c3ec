// Lets requests that are scored at the same time share one pass over the reference's vectors.
//
// Whoever finds nobody searching searches for all that wait; the others hold no thread meanwhile. A single request is
// searched for at once; eight that wait cost little more than one, because an exact search is bound by reading the
// vectors (docs/search.md). Answers do not depend on the company: a search gives the same bits in any batch.
//
// Thread-safe. As many may wait as the caller admits; a batch takes at most kMostAtOnce.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <vector>

#include "api/reference.hpp"
#include "core/guarded.hpp"

namespace driftd::api {

class ScoreBatcher {
 public:
  static constexpr std::size_t kMostAtOnce = 64;  // queries that one pass of the scan serves

  // Resumes on the caller's executor. Throws what api::score() throws for this vector.
  [[nodiscard]] boost::asio::awaitable<Score> score(Reference reference, std::vector<float> vector, ScoreOptions options);

 private:
  struct Job {
    Reference reference;
    std::vector<float> vector;
    ScoreOptions options;
    std::function<void(std::exception_ptr, Score)> done;
  };
  struct Waiting {
    std::deque<Job> jobs;
    bool searching = false;
  };

  void submit(Job job);
  static void run(std::vector<Job> jobs);

  Guarded<Waiting> waiting_;
};

}  // namespace driftd::api
