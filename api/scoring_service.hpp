// Scores images for the service: an embedding, its nearest neighbours, a p-value, and the stream's window in the
// monitor.
//
// Thread-safe. Bounded by the EmbeddingService.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "api/embedding_service.hpp"
#include "api/http.hpp"
#include "api/metrics.hpp"
#include "api/recent_pictures.hpp"
#include "api/references.hpp"
#include "api/review_service.hpp"
#include "api/score_batcher.hpp"
#include "drift/feedback.hpp"
#include "drift/monitor.hpp"
#include "drift/recent_window.hpp"

namespace driftd::api {

// The one that a request's "reference" parameter names, or "default". Throws Error{not_found}.
[[nodiscard]] LiveReference& reference_of(const References& references, const Request& request);

// The whole number in a request's parameter, or the fallback. Throws Error{invalid_argument} outside 1..most.
[[nodiscard]] std::size_t count_of(const Request& request, const std::string& name, std::size_t fallback,
                                   std::size_t most);

// Who is told of each scored image. All are thread-safe, and none waits for the disk.
struct Watchers {
  drift::Monitor& monitor;
  drift::Feedback& feedback;
  drift::RecentWindow& recent;
  ReviewService& review;
  RecentPictures& pictures;
};

class ScoringService {
 public:
  // Keeps references to all of these, which must outlive it. One image in recheck_every is searched for a second time,
  // in all cells, and the difference counted; 0: none is.
  ScoringService(EmbeddingService& embedding, const References& references, Watchers watchers, Metrics& metrics,
                 ScoreOptions options, std::size_t recheck_every)
      : embedding_{embedding},
        references_{references},
        options_{options},
        recheck_every_{recheck_every},
        watchers_{watchers},
        metrics_{metrics} {}

  // POST /v1/score?stream=S&reference=R&k=3
  [[nodiscard]] boost::asio::awaitable<Response> score(Request request);

 private:
  struct Question;
  [[nodiscard]] boost::asio::awaitable<Response> score_on_worker(Request request);
  [[nodiscard]] Response answer(Request& request, Question& question, const Score& score);
  void remember(Request& request, Question& question, const Score& score, std::uint64_t image, const std::string& vote,
                std::vector<float> properties);
  void recheck(const Question& question, const Score& score);

  // Constant after construction
  EmbeddingService& embedding_;
  const References& references_;
  const ScoreOptions options_;
  const std::size_t recheck_every_;

  // Thread-safe by themselves
  std::atomic<std::uint64_t> scored_{0};
  const Watchers watchers_;
  Metrics& metrics_;
  ScoreBatcher batcher_;
};

}  // namespace driftd::api
