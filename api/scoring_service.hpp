// Scores images for the service: an embedding, its nearest neighbours, a p-value, and the stream's window in the monitor.
//
// Thread-safe. Bounded by the EmbeddingService.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "api/embedding_service.hpp"
#include "api/http.hpp"
#include "api/live_reference.hpp"
#include "api/metrics.hpp"
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
  // Keeps references to all of these, which must outlive it.
  ScoringService(EmbeddingService& embedding, const References& references, drift::Monitor& monitor, drift::Feedback& feedback, Metrics& metrics,
                 ScoreOptions options)
      : embedding_{embedding}, references_{references}, options_{options}, monitor_{monitor}, feedback_{feedback}, metrics_{metrics} {}

  // POST /v1/score?stream=S&reference=R&k=3
  [[nodiscard]] boost::asio::awaitable<Response> score(Request request);

 private:
  struct Question;
  [[nodiscard]] boost::asio::awaitable<Response> score_on_worker(Request request);
  [[nodiscard]] Response answer(const Request& request, const Question& question);

  // Constant after construction
  EmbeddingService& embedding_;
  const References& references_;
  const ScoreOptions options_;

  // Thread-safe by themselves
  drift::Monitor& monitor_;
  drift::Feedback& feedback_;
  Metrics& metrics_;
};

}  // namespace driftd::api
