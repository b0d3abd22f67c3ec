// Lets requests that are scored at the same time share one pass over the reference's vectors.
//
// Whoever finds nobody searching searches for all that wait, once its thread has done what it is about: where that is
// to resume all requests that the model computed together, they share a pass. The others hold no thread meanwhile. A
// single request is searched for at once; eight that wait cost little more than one, because an exact search is bound
// by reading the vectors (docs/search.md). Answers do not depend on the company: a search gives the same bits in any
// batch.
//
// Thread-safe. As many may wait as the caller admits; a batch takes at most kMostAtOnce.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include "api/reference.hpp"
#include "core/guarded.hpp"

namespace driftd::api {

class ScoreBatcher {
 public:
  static constexpr std::size_t kMostAtOnce = 64;  // queries that one pass of the scan serves

  // Resumes on the caller's executor. Throws what api::score() throws for this vector.
  [[nodiscard]] boost::asio::awaitable<Score> score(Reference reference, std::vector<float> vector,
                                                    ScoreOptions options);

  [[nodiscard]] std::size_t passes() const;  // so far

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
    std::size_t passes = 0;
  };

  static void search(Guarded<Waiting>& all);  // until nobody waits
  static void run(std::vector<Job> jobs);

  // Shared with the search under way, which looks whether anybody else waits after it has answered the last request.
  std::shared_ptr<Guarded<Waiting>> waiting_ = std::make_shared<Guarded<Waiting>>();
};

}  // namespace driftd::api
