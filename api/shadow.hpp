// Tries a version of a reference on the newest images, before it goes live: the same embeddings, scored against the
// live version and against the candidate, each followed by a monitor of its own.
//
// Nothing that serves is changed: scores are not counted, no alert is raised. An image that the candidate holds (it was
// put there to be learned) is no evidence for it and is left out on both sides.
//
// Thread-safe. One replay at a time; it takes no lock that scoring waits for. Cost: loading the candidate, and two
// searches an image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/reference.hpp"
#include "api/references.hpp"
#include "drift/monitor.hpp"
#include "drift/recent_window.hpp"

namespace driftd::api {

// What a monitor would have said of the images of one stream.
struct ShadowVerdict {
  std::string rule;
  bool fired = false;
  double value = 0;  // of the detector after the last image; a detector that has no limit yet has no verdict
  double limit = 0;
};

struct ShadowSide {
  std::string reference;  // "default@4"
  std::size_t ood = 0;
  std::vector<ShadowVerdict> verdicts;
};

struct ShadowStream {
  std::string stream;
  std::size_t images = 0;
  std::size_t excluded = 0;  // that the candidate holds
  ShadowSide live;
  ShadowSide candidate;
  std::size_t to_ood = 0;  // in distribution by the live version, out of it by the candidate
  std::size_t to_in = 0;
};

struct ShadowReport {
  std::string live;
  std::string candidate;
  double alpha = 0;
  std::vector<ShadowStream> streams;
  ShadowStream total;  // without verdicts: they belong to a stream
};

// One of them: a version of the same reference, or another reference.
struct ShadowCandidate {
  std::optional<std::int64_t> version;
  std::string reference;
};

class Shadow {
 public:
  // Keeps references to the first two. monitor: as the streams that serve have it.
  // pools: unit vectors per embedding.
  Shadow(const References& references, const drift::RecentWindow& recent, ScoreOptions options,
         drift::MonitorOptions monitor, std::size_t pools)
      : references_{references},
        recent_{recent},
        options_{std::move(options)},
        monitor_{std::move(monitor)},
        pools_{pools} {}

  // streams: empty: all that have images scored against the reference. Throws Error: not_found (reference, version, or
  // no image of these streams is kept), overloaded while another replay runs.
  [[nodiscard]] ShadowReport replay(const std::string& reference, const ShadowCandidate& candidate,
                                    const std::vector<std::string>& streams);

 private:
  [[nodiscard]] ShadowStream replay_stream(const std::string& stream, const Reference& live,
                                           const Reference& candidate) const;
  [[nodiscard]] std::vector<Score> scores_of(const Reference& reference,
                                             const std::vector<drift::RecentWindow::Image>& images) const;
  [[nodiscard]] ShadowSide follow(const std::string& stream, const Reference& reference,
                                  const std::vector<drift::RecentWindow::Image>& images,
                                  const std::vector<Score>& scores) const;

  // Constant after construction
  const References& references_;
  const drift::RecentWindow& recent_;
  const ScoreOptions options_;
  const drift::MonitorOptions monitor_;
  const std::size_t pools_;

  std::mutex one_at_a_time_;
};

}  // namespace driftd::api
