// Scores images for the service: an embedding, its nearest neighbours, a p-value, and the stream's window in the monitor.
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
#include "api/live_reference.hpp"
#include "api/metrics.hpp"
#include "api/score_batcher.hpp"
#include "drift/feedback.hpp"
#include "drift/monitor.hpp"

namespace driftd::api {

using References = std::map<std::string, std::unique_ptr<LiveReference>>;

// The one that a request's "reference" parameter names, or "default". Throws Error{not_found}.
[[nodiscard]] LiveReference& reference_of(const References& references, const Request& request);

// The whole number in a request's parameter, or the fallback. Throws Error{invalid_argument} outside 1..most.
[[nodiscard]] std::size_t count_of(const Request& request, const std::string& name, std::size_t fallback, std::size_t most);

class ScoringService {
 public:
  // Keeps references to all of these, which must outlive it. One image in recheck_every is searched for a second time,
  // in all cells, and the difference counted; 0: none is.
  ScoringService(EmbeddingService& embedding, const References& references, drift::Monitor& monitor, drift::Feedback& feedback, Metrics& metrics,
                 ScoreOptions options, std::size_t recheck_every)
      : embedding_{embedding}, references_{references}, options_{options}, recheck_every_{recheck_every}, monitor_{monitor}, feedback_{feedback},
        metrics_{metrics} {}

  // POST /v1/score?stream=S&reference=R&k=3
  [[nodiscard]] boost::asio::awaitable<Response> score(Request request);

 private:
  struct Question;
  [[nodiscard]] boost::asio::awaitable<Response> score_on_worker(Request request);
  [[nodiscard]] Response answer(const Request& request, const Question& question, const Score& score);
  void recheck(const Question& question, const Score& score);

  // Constant after construction
  EmbeddingService& embedding_;
  const References& references_;
  const ScoreOptions options_;
  const std::size_t recheck_every_;

  // Thread-safe by themselves
  std::atomic<std::uint64_t> scored_{0};
  drift::Monitor& monitor_;
  drift::Feedback& feedback_;
  Metrics& metrics_;
  ScoreBatcher batcher_;
};

}  // namespace driftd::api
