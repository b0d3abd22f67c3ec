#include "api/score_batcher.hpp"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "api/resumption.hpp"

namespace driftd::api {

namespace asio = boost::asio;

asio::awaitable<Score> ScoreBatcher::score(Reference reference, std::vector<float> vector, ScoreOptions options) {
  const auto executor = co_await asio::this_coro::executor;
  auto start = [waiting = waiting_, executor](auto handler, Reference r, std::vector<float> v, ScoreOptions o) {
    Job job{std::move(r), std::move(v), std::move(o), resumption<Score>(std::move(handler), Resume::behind_others)};
    const bool lead = waiting->with([&](Waiting& all) {
      all.jobs.push_back(std::move(job));
      return !std::exchange(all.searching, true);
    });
    // After what this thread is about: requests whose embeddings came in the same batch are about to ask, too.
    if (lead) asio::defer(executor, [waiting] { search(*waiting); });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr, Score)>(
      std::move(start), asio::use_awaitable, std::move(reference), std::move(vector), std::move(options));
}

std::size_t ScoreBatcher::passes() const {
  return waiting_->with([](const Waiting& waiting) { return waiting.passes; });
}

void ScoreBatcher::search(Guarded<Waiting>& all) {
  for (;;) {
    std::vector<Job> batch;
    all.with([&](Waiting& waiting) {
      // One state of one reference, asked for in one way; who asks for another waits for the next turn.
      const auto alike = [&](const Job& other) {
        return batch.empty() ||
               (other.reference.items == batch.front().reference.items && other.options == batch.front().options &&
                other.vector.size() == batch.front().vector.size());
      };
      for (auto next = waiting.jobs.begin(); next != waiting.jobs.end() && batch.size() < kMostAtOnce;) {
        if (alike(*next)) {
          batch.push_back(std::move(*next));
          next = waiting.jobs.erase(next);
        } else {
          ++next;
        }
      }
      waiting.searching = !batch.empty();
      waiting.passes += waiting.searching ? 1 : 0;
    });
    if (batch.empty()) return;
    run(std::move(batch));
  }
}

void ScoreBatcher::run(std::vector<Job> jobs) {
  try {
    Matrix vectors{0, jobs.front().vector.size()};
    for (const auto& job : jobs) {
      vectors.data.insert(vectors.data.end(), job.vector.begin(), job.vector.end());
      ++vectors.rows;
    }
    auto scores = api::score(jobs.front().reference, vectors, jobs.front().options);
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs[i].done(nullptr, std::move(scores[i]));
  } catch (...) {
    if (jobs.size() == 1) return jobs.front().done(std::current_exception(), {});
    // One of them is at fault: each is asked alone, so that the others get their answers.
    for (auto& job : jobs) {
      std::vector<Job> alone;
      alone.push_back(std::move(job));
      run(std::move(alone));
    }
  }
}

}  // namespace driftd::api
